/** What npm keeps of each package in a lock file. */
interface LockFile {
  packages: Record<string, { integrity?: string; optional?: boolean; devOptional?: boolean }>;
}

export function nodeIsTooOld(version: string, engines: string): boolean;
export function installIsStale(lock: LockFile | undefined, installed: LockFile | undefined): boolean;
export function buildIsStale(root: string): boolean;
export function withLock<T>(folder: string, onWait: (pid: string) => void, work: () => T): T;
