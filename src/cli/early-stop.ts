import { diesOfSignal, stopsInOrder } from '../lib/process/stop-signal';

/*
 * Imported before anything else: the program takes some 200 ms to load, and a supervisor may stop
 * it meanwhile.
 */

/** The verbs that run until they are stopped. */
const RUNS_ON = /^(consume|serve|gateway|bridge|alerts watch|verify .*--follow|(close|verify) .*--every)\b/;
const ENDS = /--(until-caught-up|once|dry-run|help)\b/;

const called = process.argv.slice(2).join(' ');
if (RUNS_ON.test(called) && !ENDS.test(called)) stopsInOrder();
// As process 1 of a container, Node ignores what it has no handler for.
else if (process.pid === 1) diesOfSignal();
