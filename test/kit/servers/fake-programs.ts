import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

/** A folder of stand-in programs, first on the PATH until `remove`. */
export interface FakePrograms {
  readonly folder: string;
  /** Makes `name` a POSIX shell script. */
  install(name: string, script: string): void;
  remove(): void;
}

export function fakePrograms(): FakePrograms {
  const folder = mkdtempSync(join(tmpdir(), 'tallyman-fake-programs-'));
  const path = process.env['PATH'];
  process.env['PATH'] = `${folder}${delimiter}${path}`;
  return {
    folder,
    install: (name, script) => {
      writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`);
      chmodSync(join(folder, name), 0o755);
    },
    remove: () => {
      process.env['PATH'] = path;
      rmSync(folder, { recursive: true });
    },
  };
}
