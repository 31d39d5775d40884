/** Stops the process when it loads the first package, which is before a verb begins to start. */
const Module = require('node:module');
const load = Module._load;
Module._load = function (name, ...rest) {
  if (name === 'commander') {
    Module._load = load;
    process.kill(process.pid, process.env.STOP_SIGNAL || 'SIGTERM');
  }
  return load.call(this, name, ...rest);
};
