import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(__dirname, '../..');

/** A file of the tarball, by its path in the package. */
export interface PackedFile {
  readonly path: string;
  readonly size: number;
}

/** The package as it would be published. */
export interface Packed {
  readonly tarball: string;
  /** Bytes of the tarball. */
  readonly size: number;
  readonly files: readonly PackedFile[];
}

/** Builds if a source has changed, and packs into a folder. */
export function pack(folder: string): Packed {
  execFileSync(process.execPath, [join(ROOT, 'src/dev/prepare.js'), '--quiet'], { stdio: 'inherit' });
  const words = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder];
  const [packed] = JSON.parse(execFileSync('npm', words, { cwd: ROOT, encoding: 'utf8' })) as [
    { filename: string; size: number; files: PackedFile[] },
  ];
  return { tarball: join(folder, packed.filename), size: packed.size, files: packed.files };
}

/**
 * A folder whose `node_modules` has the unpacked package. It is inside the project's own
 * `node_modules`, where the package finds its dependencies without an install.
 */
export function unpack(tarball: string): { folder: string; remove: () => void } {
  const folder = mkdtempSync(join(ROOT, 'node_modules/.unpacked-'));
  const modules = join(folder, 'node_modules');
  mkdirSync(modules);
  execFileSync('tar', ['-xzf', tarball, '-C', modules]);
  renameSync(join(modules, 'package'), join(modules, 'tallyman'));
  return { folder, remove: () => rmSync(folder, { recursive: true }) };
}
