import { obtainService, type Ways } from '../../../../src/dev/services/obtain-service';
import type { ServiceHandle } from '../../../../src/dev/services/service';

const from = (origin: string) => (): Promise<ServiceHandle> =>
  Promise.resolve({ origin, address: `${origin}:1`, stop: () => Promise.resolve() });
const failing = (message: string) => (): Promise<never> => Promise.reject(new Error(message));
const never = failing('must not be tried');
const fail = (line: string): never => {
  throw new Error(line);
};

const ways: Ways = {
  name: 'Redis',
  variable: 'REDIS_URL',
  given: undefined,
  docker: { answers: () => Promise.resolve(true), start: from('docker') },
  startNative: from('native'),
};

/** Where the service came from, and what was said on the way. */
async function obtain(changes: Partial<Ways>): Promise<[string, string[]]> {
  const lines: string[] = [];
  const { origin } = await obtainService({ ...ways, ...changes }, (line) => lines.push(line));
  return [origin, lines];
}

test('a given server is used as it is, and nothing else is asked', async () => {
  const docker = { answers: never, start: never };
  const service = await obtainService({ ...ways, given: ' redis://a:1 ', docker, startNative: never }, fail);
  expect(service).toMatchObject({ origin: 'REDIS_URL', address: 'redis://a:1' });
  await service.stop();
});

test('a variable that is set but empty gives nothing', async () => {
  expect(await obtain({ given: ' ' })).toEqual(['docker', []]);
});

test('Docker comes before the machine when its engine answers', async () => {
  expect(await obtain({ startNative: never })).toEqual(['docker', []]);
});

test('the machine serves where no engine answers', async () => {
  expect(await obtain({ docker: { answers: () => Promise.resolve(false), start: never } })).toEqual([
    'native',
    [],
  ]);
});

test('the machine serves where Docker is not wanted', async () => {
  expect(await obtain({ docker: undefined })).toEqual(['native', []]);
});

test('the machine serves where the engine answers but cannot start it, and it is said why', async () => {
  const docker = { answers: () => Promise.resolve(true), start: failing('no such image') };
  const [origin, lines] = await obtain({ docker });
  expect(origin).toBe('native');
  expect(lines).toEqual([expect.stringContaining('no such image')]);
});

test('where nothing works, the error is the one that says what to install', async () => {
  const docker = { answers: () => Promise.resolve(false), start: never };
  await expect(obtain({ docker, startNative: failing('install redis-server') })).rejects.toThrow(
    'install redis-server',
  );
});
