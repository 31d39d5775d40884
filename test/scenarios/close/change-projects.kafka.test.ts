import {
  changeProjects,
  settleProjects,
  type ProjectsEditor,
} from '../../../src/installation/ledgers/change-projects';
import { followLedgers } from '../../../src/installation/ledgers/follow-ledger';
import type { ProjectDocument } from '../../../src/billing/project/project';
import { createBillingCalendar } from '../../../src/rating/billing-calendar';
import type { KafkaClient } from '../../../src/kafka/client';
import { readTopic } from '../../kit/kafka/read-topic';
import { createPublisher } from '../../../src/kafka/producer';
import { readProject } from '../../../src/redis/views/projects';
import { openStore, type Store } from '../../../src/redis/store';
import { createTopic, openTestKafka } from '../../kit/kafka/kafka-harness';
import { testRedisUrl, uniquePrefix } from '../../kit/services';

let client: KafkaClient;
let store: Store;
let prefix: string;
const calendar = createBillingCalendar('UTC');

beforeEach(async () => {
  client = openTestKafka();
  prefix = uniquePrefix();
  for (const ledger of ['projects', 'closes', 'invoices'])
    await createTopic(client, { topic: `${prefix}.billing.${ledger}`, numPartitions: 1 });
  store = await openStore({ url: testRedisUrl(), prefix });
});
afterEach(async () => {
  await store.close();
  await client.close();
});

const change = <T>(edit: (editor: ProjectsEditor) => Promise<T>): Promise<T> =>
  changeProjects({ kafka: client, store, prefix, calendar }, edit);

/** Sets one more row of acme's plans, on what the editor shows. */
const addPlan =
  (from: string) =>
  async (editor: ProjectsEditor): Promise<string[]> => {
    const [before] = await editor.read(['acme']);
    const after = { project: 'acme', plans: [...(before?.plans ?? []), { plan: 'ship', from }] };
    const problems = editor.problemsOf(before, after);
    if (problems.length === 0) await editor.save([before], [after]);
    return problems;
  };

const days = (document: ProjectDocument | undefined): string[] =>
  (document?.plans ?? []).map(({ from }) => from).sort();

async function ledgered(): Promise<string[]> {
  let last: ProjectDocument | undefined;
  await readTopic(client, `${prefix}.billing.projects`, (_key, value) => {
    last = JSON.parse(value!) as ProjectDocument;
  });
  return days(last);
}

async function publishClose(month: string): Promise<void> {
  const publisher = await createPublisher(client);
  const value = JSON.stringify({ month, closedAt: `${month}-28T00:00:00.000Z`, cursors: {} });
  await publisher.publish(`${prefix}.billing.closes`, [{ key: month, value }]);
  await publisher.close();
}

test('of six changes at once none is lost', async () => {
  const wanted = Array.from({ length: 6 }, (_, i) => `2026-0${i + 1}-01`);
  await Promise.all(wanted.map((from) => change(addPlan(from))));
  expect(await ledgered()).toEqual(wanted);
  expect(days(await readProject(store, 'acme'))).toEqual(wanted);
});

test('a change is made on what the ledger holds, whatever Redis has lost', async () => {
  await change(addPlan('2026-01-01'));
  const [document, position] = await Promise.all([
    store.redis.hget(store.keys.projects, 'acme'),
    store.redis.get(store.keys.projectsShown),
  ]);
  await change(addPlan('2026-02-01'));
  await store.redis.hset(store.keys.projects, 'acme', document!);
  await store.redis.set(store.keys.projectsShown, position!);
  await change(addPlan('2026-03-01'));
  expect(await ledgered()).toEqual(['2026-01-01', '2026-02-01', '2026-03-01']);
});

test('a change that comes to nothing is not published again', async () => {
  const set = (editor: ProjectsEditor): Promise<void> =>
    editor.read(['acme']).then((before) => editor.save(before, [{ project: 'acme', plans: [] }]));
  await change(set);
  const { projects } = followLedgers(client, store, prefix);
  await projects.catchUp();
  const shown = await store.redis.get(store.keys.projectsShown);
  await change(set);
  expect(await store.redis.get(store.keys.projectsShown)).toBe(shown);
});

test('a close that comes in the middle of a change is known to it, or has it', async () => {
  const { projects } = followLedgers(client, store, prefix);
  let attempts = 0;
  const problems = await change(async (editor) => {
    attempts += 1;
    const found = await editor.read(['acme']);
    const after = { project: 'acme', plans: [{ plan: 'ship', from: '2026-10-15' }] };
    const seen = editor.problemsOf(found[0], after);
    if (attempts === 1) {
      expect(seen).toEqual([]);
      await publishClose('2026-10');
      await settleProjects(client, prefix, projects);
    }
    if (seen.length === 0) await editor.save(found, [after]);
    return seen;
  });
  expect({ attempts, problems }).toEqual({
    attempts: 2,
    problems: [expect.stringMatching(/2026-10-15.*2026-11-01/)],
  });
  expect(await ledgered()).toEqual([]);
});

test('a Redis that dies behind the publishing is told of, and is shown the change later', async () => {
  await change(addPlan('2026-01-01'));
  let saved = false;
  const failing = changeProjects(
    { kafka: client, store: withSend(store, () => saved), prefix, calendar },
    async (editor) => {
      await addPlan('2026-02-01')(editor);
      saved = true;
    },
  );
  await expect(failing).rejects.toMatchObject({
    code: 'CHANGE_NOT_SHOWN',
    message: expect.stringMatching(
      /^The change is saved in the ledger, .* does not answer\. Nothing is lost/,
    ),
  });
  expect(await ledgered()).toEqual(['2026-01-01', '2026-02-01']);
  await followLedgers(client, store, prefix).projects.catchUp();
  expect(days(await readProject(store, 'acme'))).toEqual(['2026-01-01', '2026-02-01']);
});

/** A store that answers nothing as soon as `isDead`. */
function withSend(of: Store, isDead: () => boolean): Store {
  return {
    ...of,
    send: (commands) => (isDead() ? Promise.reject(new Error('Redis does not answer.')) : of.send(commands)),
  };
}
