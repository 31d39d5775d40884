import { findHelm } from '../../../src/dev/manifests';

/** Where the tests find Helm; empty if it cannot be had. */
export const HELM_VARIABLE = 'TALLYMAN_TEST_HELM';

/** Builds Helm before the tests. Without Go or its proxy, they are skipped, and this says why. */
export default async function obtainHelm(): Promise<void> {
  const tell = (line: string): void => void process.stderr.write(`${line}\n`);
  process.env[HELM_VARIABLE] = await findHelm(tell).catch((error: unknown) => {
    tell(`The tests of the chart are skipped: ${(error as Error).message}`);
    return '';
  });
}
