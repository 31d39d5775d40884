import { stopsWhileLoading } from '../lib/process/stop-signal';

/*
 * Imported before anything else: the program takes some 200 ms to load, and a supervisor may stop
 * it meanwhile.
 */

/** The verbs that run until they are stopped, by their first words. */
const RUNS_ON = /^(consume|serve|gateway|bridge|alerts watch|verify .*--follow)\b/;
const ENDS = /--(until-caught-up|once|dry-run|help)\b/;

const called = process.argv.slice(2).join(' ');
if (RUNS_ON.test(called) && !ENDS.test(called)) stopsWhileLoading();
