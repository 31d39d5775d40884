import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { runCommand } from './run-command';

/**
 * Builds a program from its Go module, once for each user and version.
 *
 * @returns the path of the program
 * @throws Error with what is missing
 */
export async function goProgram(
  program: string,
  version: string,
  log: (line: string) => void,
): Promise<string> {
  const cache = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'tallyman');
  const folder = join(cache, `${basename(program)}-${version}`);
  const path = join(folder, basename(program));
  if (existsSync(path)) return path;
  await needGo();
  log(`building ${program}@${version} with Go, once, into ${folder}`);
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, 'building-'));
  try {
    const env = { ...process.env, GOBIN: work, CGO_ENABLED: '0' };
    const { ok, output } = await runCommand('go', ['install', '-ldflags=-s -w', `${program}@${version}`], {
      env,
    });
    if (!ok) throw new Error(`Go could not build ${program}@${version}:\n${output.trimEnd()}`);
    await rename(work, folder).catch((error: unknown) => {
      // Another run was faster, and its program is just as good.
      if (!existsSync(path)) throw error;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return path;
}

/**
 * Downloads the source of a Go module. Go keeps it for the next time.
 *
 * @returns its folder
 * @throws Error with what is missing
 */
export async function goModule(module: string, version: string): Promise<string> {
  await needGo();
  const { ok, output } = await runCommand('go', ['mod', 'download', '-json', `${module}@${version}`]);
  const folder = /"Dir": "(.*)"/.exec(output)?.[1];
  if (!ok || folder === undefined)
    throw new Error(`Go could not download ${module}@${version}:\n${output.trimEnd()}`);
  return folder;
}

async function needGo(): Promise<void> {
  if ((await runCommand('go', ['version'])).ok) return;
  throw new Error(
    'Go is missing: install it (Debian, Ubuntu: apt-get install golang; macOS: brew install go)',
  );
}
