import { spawnSync } from 'node:child_process';

/** What a process writes that logs an error with a cause, each with a stack. */
function logged(level: string): string {
  const program = `
    const { createLogger } = require('./src/lib/logger.ts');
    const cause = Object.assign(new Error('the socket is gone'), { code: 'ECONNRESET' });
    createLogger('${level}').warn({ err: new Error('no answer', { cause }) }, 'it failed');`;
  const loader = ['-r', './test/kit/load-typescript.js', '-e', program];
  return spawnSync(process.execPath, loader, { encoding: 'utf8' }).stderr;
}

test('an error is logged with its causes, and with stacks only to debug the program', () => {
  const line = JSON.parse(logged('info')) as { err: unknown };
  expect(line.err).toEqual({
    type: 'Error',
    message: 'no answer: the socket is gone',
    cause: { type: 'Error', message: 'the socket is gone', code: 'ECONNRESET' },
  });
  expect(logged('debug')).toContain('"stack"');
}, 30_000);
