import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type BrowserContext, type BrowserContextOptions } from 'playwright-core';
import { needTestProgram } from '../servers/need-program';

/** A Chromium of this machine with a profile of its own, which goes with it. */
export interface Chromium {
  readonly context: BrowserContext;
  close(): Promise<void>;
}

const COMMAND = 'chromium';

/** On Debian, as root, a missing Chromium is installed. */
export async function startChromium(options: BrowserContextOptions = {}): Promise<Chromium> {
  await needTestProgram({ command: COMMAND, versionArgument: '--version', debianPackage: 'chromium' });
  const profile = mkdtempSync(join(tmpdir(), 'tallyman-chromium-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: `/usr/bin/${COMMAND}`,
    args: [
      ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
      ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
    ],
    acceptDownloads: true,
    ...options,
  });
  return {
    context,
    async close() {
      await context.close();
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
