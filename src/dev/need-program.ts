import { runCommand } from './run-command';

export interface NeededProgram {
  readonly command: string;
  /** The argument that makes the command print its version and exit with 0. */
  readonly versionArgument: string;
  /** Its package in Debian and its derivatives. */
  readonly debianPackage: string;
}

/**
 * Looks for a program on this machine. If it is missing, it is installed on Debian and its
 * derivatives, as root.
 *
 * @returns whether the program exists now
 */
export async function needProgram(
  { command, versionArgument, debianPackage }: NeededProgram,
  log: (line: string) => void,
): Promise<boolean> {
  const isThere = async (): Promise<boolean> => (await runCommand(command, [versionArgument])).ok;
  if (await isThere()) return true;
  if (process.getuid?.() !== 0 || !(await runCommand('apt-get', ['--version'])).ok) return false;
  log(`${command} is missing: installing ${debianPackage} with apt-get`);
  // Another run may be installing at the same time, so wait for its lock.
  const waiting = ['-o', 'DPkg::Lock::Timeout=300'];
  const install = (): ReturnType<typeof runCommand> =>
    runCommand('apt-get', [...waiting, 'install', '-y', '--no-install-recommends', debianPackage], {
      // Run level 1 keeps a package from starting a system-wide service on its default port.
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' },
    });
  // On a fresh machine the package lists are empty, so a first failure is expected there.
  if (!(await install()).ok && (await runCommand('apt-get', [...waiting, 'update'])).ok) await install();
  return isThere();
}
