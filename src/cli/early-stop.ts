import { stopsWhileLoading } from '../lib/process/stop-signal';

/*
 * Imported before anything else: the program takes some 200 ms to load, and a supervisor may stop
 * it meanwhile.
 */
stopsWhileLoading(process.argv.slice(2));
