import { needProgram, type NeededProgram } from '../../../src/dev/need-program';

/** Fails the test with what to install where the program is missing and cannot be installed. */
export async function needTestProgram(program: NeededProgram): Promise<void> {
  const tell = (line: string): void => void process.stderr.write(`${line}\n`);
  if (await needProgram(program, tell)) return;
  throw new Error(
    `This test needs ${program.command}: install it (Debian, Ubuntu: apt-get install ${program.debianPackage})`,
  );
}
