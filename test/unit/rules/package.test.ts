import { readFileSync } from 'node:fs';
import { engines, version } from '../../../package.json';
import { nodeIsTooOld } from '../../../src/dev/prepare';

const { satisfies } = jest.requireActual<{ satisfies: (version: string, range: string) => boolean }>(
  'semver',
);

interface Locked {
  readonly dev?: boolean;
  readonly version?: string;
  readonly engines?: { readonly node?: string };
}
const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
  packages: Record<string, Locked>;
};
const locked = Object.entries(packages);
const lowest = `${engines.node.replace('>=', '')}.0`;

test.each([lowest, '22.0.0', '24.0.0'])('every dependency runs on Node %s, as the package says', (node) => {
  expect(satisfies(node, engines.node)).toBe(true);
  const refusing = locked
    .filter(([path, { dev }]) => path !== '' && dev !== true)
    .filter(([, { engines: wanted }]) => wanted?.node !== undefined && !satisfies(node, wanted.node))
    .map(([path, { engines: wanted }]) => `${path} wants ${wanted!.node!}`);
  expect(refusing).toEqual([]);
});

test('the version has a section at the head of the changelog, and is that of package-lock.json', () => {
  const [, heading] = /^## (.*)$/m.exec(readFileSync('CHANGELOG.md', 'utf8'))!;
  expect(heading).toMatch(/^\d+\.\d+\.\d+ - (unreleased|\d{4}-\d{2}-\d{2})$/);
  expect(heading!.split(' ')[0]).toBe(version);
  expect(packages['']!.version).toBe(version);
});

test('the lowest Node is one that the check before an install takes', () => {
  expect(nodeIsTooOld(lowest, engines.node)).toBe(false);
});
