import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** `0.1.0`, and in a clone the commit that is checked out: `0.1.0 (29e1f22)`. */
export function versionText(): string {
  const root = packageRoot(__dirname);
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  const commit = existsSync(join(root, '.git')) ? commitOf(root) : undefined;
  return commit === undefined ? version : `${version} (${commit})`;
}

/** The sources and the build are at different depths below it. */
function packageRoot(folder: string): string {
  return existsSync(join(folder, 'package.json')) ? folder : packageRoot(dirname(folder));
}

function commitOf(root: string): string | undefined {
  try {
    const words = ['-C', root, 'rev-parse', '--short', 'HEAD'];
    return execFileSync('git', words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return undefined;
  }
}
