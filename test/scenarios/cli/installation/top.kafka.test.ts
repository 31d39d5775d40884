import { once } from 'node:events';
import { eventually } from '../../../kit/eventually';
import { installation } from '../../../kit/tallyman';

interface TopDocument {
  readonly freshness: { readonly asOf: string; readonly behind: number };
  readonly topics: readonly { readonly topic: string; readonly behind: number }[];
  readonly lagging: readonly { readonly topic: string; readonly behind: number; readonly cursor: number }[];
  readonly deadLetters: { readonly count: number; readonly byReason: Record<string, number> };
  readonly spend: { readonly projects: readonly { readonly project: string; readonly plan: string }[] };
}

const time = new Date().toISOString();
const event = (id: string, project: string, durationMs: number): string =>
  JSON.stringify({
    ...{ specversion: '1.0', id, source: '/sfu', type: 'usage.session.v1', subject: project, time },
    data: { service: 'webrtc', durationMs },
  });

test('top tells what waits, what is counted and what it costs, once or until it is stopped', async () => {
  const tallyman = installation();
  await tallyman.ok('init', '--partitions', '2');
  await tallyman.ok('projects', 'set', 'acme', '--plan', 'ship', '--from', `${time.slice(0, 7)}-01`);
  const events = [event('a', 'acme', 60_000), event('b', 'globex', 60_000), event('c', 'globex', 60_000)];
  expect((await tallyman.run(['publish', '-'], events.join('\n'))).code).toBe(0);

  const topic = `${tallyman.prefix}.usage.session`;
  const waiting = await tallyman.json<TopDocument>('top');
  // Markers of transactions have offsets as well: at least as many as events.
  expect(waiting.freshness.behind).toBeGreaterThanOrEqual(events.length);
  expect(waiting.topics.find((one) => one.topic === topic)?.behind).toBe(waiting.freshness.behind);
  expect(waiting.lagging.reduce((sum, { behind }) => sum + behind, 0)).toBe(waiting.freshness.behind);

  await tallyman.ok('consume', '--until-caught-up');
  const counted = await tallyman.json<TopDocument>('top');
  expect(counted).toMatchObject({ freshness: { behind: 0 }, lagging: [], deadLetters: { count: 0 } });
  expect(counted.spend.projects.map(({ project, plan }) => [project, plan])).toEqual([
    ['acme', 'ship'],
    ['globex', 'build'],
  ]);

  const text = await tallyman.ok('top', '--once');
  expect(text).toContain('Up to date: everything published before');
  expect(text).toMatch(/^acme +ship +50\.00$/m);
  expect(text).not.toContain('\u001b');

  const running = tallyman.start('top', '--interval', '100ms');
  let written = '';
  running.stdout?.on('data', (chunk: Buffer) => (written += chunk.toString()));
  await eventually(() => written.split('tallyman top').length > 3, { what: 'three views' });
  running.kill('SIGINT');
  expect(await once(running, 'exit')).toEqual([0, null]);
  expect(written).not.toContain('\u001b');
});
