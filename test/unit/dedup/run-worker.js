// The thread that writes runs of ids, with nothing built before.
require('../../kit/load-typescript.js');
require('../../../src/dedup/run-worker.ts');
