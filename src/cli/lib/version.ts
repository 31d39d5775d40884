import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** `0.1.0 (29e1f22)`: the commit is that of the clone, or the one that the image was built of. */
export function versionText(folder = __dirname): string {
  const root = packageRoot(folder);
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  const commit = existsSync(join(root, '.git')) ? checkedOut(root) : builtOf(root);
  return commit === undefined ? version : `${version} (${commit})`;
}

/** The sources and the build are at different depths below it. */
function packageRoot(folder: string): string {
  return existsSync(join(folder, 'package.json')) ? folder : packageRoot(dirname(folder));
}

function checkedOut(root: string): string | undefined {
  try {
    const words = ['-C', root, 'rev-parse', '--short', 'HEAD'];
    return execFileSync('git', words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return undefined;
  }
}

/** Whoever builds without git writes the commit into this file. */
function builtOf(root: string): string | undefined {
  const file = join(root, 'dist', 'commit');
  return existsSync(file) ? readFileSync(file, 'utf8').trim() || undefined : undefined;
}
