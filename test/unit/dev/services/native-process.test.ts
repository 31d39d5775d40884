import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startNative, type NativeSpec } from '../../../../src/dev/services/native-process';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tallyman-process-test-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const specOf = (script: string): NativeSpec => ({
  name: 'Server',
  origin: 'a test',
  command: '/bin/sh',
  args: ['-c', script],
  folder,
  dataDir: folder,
  port: 1,
  isReady: () => Promise.resolve(false),
  readyTimeoutMs: 300,
});

test('a server that ends while it starts is told with the end of its log; its folder is removed', async () => {
  const spec = { ...specOf('seq 100; echo bad setting in line 7 >&2; exit 3'), readyTimeoutMs: 60_000 };
  const error: unknown = await startNative(spec).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: 'SERVICE_NOT_STARTED', message: expect.stringContaining('ended') });
  expect((error as Error).message).toMatch(/\n100\nbad setting in line 7$/);
  expect((error as Error).message).not.toContain('\n50\n');
  expect(existsSync(folder)).toBe(false);
});

test('a server that never answers is ended; its folder is removed', async () => {
  await expect(startNative(specOf('echo waiting; exec sleep 1000'))).rejects.toMatchObject({
    code: 'SERVICE_NOT_STARTED',
    message: expect.stringMatching(/did not answer in 300 ms[^]*waiting/),
  });
  expect(existsSync(folder)).toBe(false);
});

test('a program that is not there is told by its name', async () => {
  const spec = { ...specOf(''), command: '/nowhere/server', readyTimeoutMs: 60_000 };
  await expect(startNative(spec)).rejects.toThrow('/nowhere/server');
  expect(existsSync(folder)).toBe(false);
});

test('a server that dies by itself is down, and can be restarted', async () => {
  const server = await startNative({
    ...specOf('touch up; exec sleep 1000'),
    isReady: () => Promise.resolve(existsSync(join(folder, 'up'))),
  });
  const { pid } = server;
  process.kill(pid, 'SIGKILL');
  await server.restart();
  expect(server.pid).not.toBe(pid);
  await server.stop();
  expect(existsSync(folder)).toBe(false);
});
