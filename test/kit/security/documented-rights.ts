import { AclOperationTypes, AclResourceTypes } from 'kafkajs';
import { documentTable } from '../code-blocks';

/** A right that the page on security grants. */
export interface Right {
  readonly resourceType: AclResourceTypes;
  readonly resourceName: string;
  readonly operation: AclOperationTypes;
}

const { TOPIC, GROUP, TRANSACTIONAL_ID } = AclResourceTypes;
const { READ, WRITE, DESCRIBE, DESCRIBE_CONFIGS } = AclOperationTypes;
/** The columns after the verbs. */
const COLUMNS = [
  [TOPIC, READ],
  [TOPIC, WRITE],
  [TOPIC, DESCRIBE],
  [TOPIC, DESCRIBE_CONFIGS],
  [GROUP, READ],
  [TRANSACTIONAL_ID, WRITE],
] as const;

const USAGE = ['session', 'transfer', 'agent', 'inference'].map((name) => `usage.${name}`);
const LEDGERS = ['projects', 'closes', 'totals', 'invoices', 'settings', 'alerts'].map(
  (name) => `billing.${name}`,
);
const WORDS: Readonly<Record<string, readonly string[]>> = {
  'usage topics': USAGE,
  ledgers: LEDGERS,
  'all topics': [...USAGE, ...LEDGERS, 'usage.dead-letters'],
};

/** Verb -> its rights, as the table in docs/operating/security.md lists them. */
export function documentedRights(): Map<string, Right[]> {
  const rows = documentTable('operating/security.md', 'verb');
  return new Map(
    rows.flatMap(([verbs = '', ...cells]) => {
      const rights = COLUMNS.flatMap(([resourceType, operation], column) =>
        namesIn(cells[column]!).map((resourceName) => ({ resourceType, resourceName, operation })),
      );
      return namesIn(verbs).map((verb): [string, Right[]] => [verb, rights]);
    }),
  );
}

const namesIn = (cell: string): readonly string[] =>
  cell
    .split(', ')
    .filter((name) => name !== '')
    .flatMap((name) => WORDS[name] ?? [name.replaceAll('`', '')]);
