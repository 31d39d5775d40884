import type { Store } from '../../../src/redis/store';
import type { TotalsModel } from './totals-model';

/** All that a shard holds, without the part of the keys that is always the same. */
export interface ShardContent {
  cursors: Record<string, string>;
  /** Topic -> `<epoch>@<cursor>`. */
  epochs: Record<string, string>;
  closed: Record<string, Record<string, number>>;
  /** `totals:<month>:<project>`, `daily:...` -> field -> integer. */
  sums: Record<string, Record<string, string>>;
  projects: Record<string, string[]>;
  /** Period -> fingerprints, sorted. */
  ids: Record<string, string[]>;
}

const READ_ALL = `
  local all = {}
  for _, key in ipairs(redis.call('KEYS', ARGV[1])) do
    local type, values = redis.call('TYPE', key).ok
    if type == 'string' then -- Of fingerprints, 8 bytes each: as hexadecimal digits.
      values = {}
      for eight in string.gmatch(redis.call('GET', key), '........') do
        values[#values + 1] = string.gsub(eight, '.', function(c) return string.format('%02x', string.byte(c)) end)
      end
    else
      values = redis.call(type == 'set' and 'SMEMBERS' or 'HGETALL', key)
    end
    all[#all + 1] = { key, values }
  end
  return all`;

export async function readShard(store: Store, prefix: string, shard: number): Promise<ShardContent> {
  const stem = `${prefix}:usage:{${shard}}:`;
  const all = (await store.redis.eval(READ_ALL, 1, stem, `${stem}*`)) as [string, string[]][];
  const content: ShardContent = { cursors: {}, epochs: {}, closed: {}, sums: {}, projects: {}, ids: {} };
  const counts: Record<string, number> = {};
  for (const [key, values] of all) {
    const [kind, period, topic] = key.slice(stem.length).split(':') as [string, string, string | undefined];
    const hash = (): Record<string, string> =>
      Object.fromEntries(values.flatMap((value, i) => (i % 2 ? [] : [[value, values[i + 1]!]])));
    if (kind === 'cursor') content.cursors = hash();
    else if (kind === 'closed')
      content.closed = Object.fromEntries(
        Object.entries(hash()).map(([month, json]) => [month, JSON.parse(json) as Record<string, number>]),
      );
    else if (kind === 'writes') {
      const { begun, ended, ...epochs } = hash();
      content.epochs = Object.fromEntries(
        Object.entries(epochs).map(([field, text]) => [field.replace(/^epoch:/, ''), text]),
      );
      if (begun !== ended) throw new Error(`${begun} writes began, ${ended} ended`);
    } else if (kind === 'totals' || kind === 'daily') content.sums[key.slice(stem.length)] = hash();
    else if (kind === 'projects') content.projects[period] = values.sort();
    else if (topic === undefined)
      counts[period] = Object.values(hash()).reduce((sum, count) => sum + Number(count), 0);
    else content.ids[period] = [...(content.ids[period] ?? []), ...values].sort();
  }
  for (const [period, count] of Object.entries(counts)) {
    if (content.ids[period]?.length !== count) throw new Error(`${period} counts ${count} ids, holds others`);
  }
  return content;
}

/** The same of a model. */
export function contentOf(model: TotalsModel, fingerprintOf: (identity: string) => string): ShardContent {
  const sums: ShardContent['sums'] = {};
  for (const [kind, groups] of [
    ['totals', model.totals],
    ['daily', model.daily],
  ] as const) {
    for (const [group, fields] of groups) {
      sums[`${kind}:${group.replace(' ', ':')}`] = Object.fromEntries(
        [...fields].map(([field, sum]) => [field, String(sum)]),
      );
    }
  }
  const sorted = (groups: Map<string, Set<string>>, of: (text: string) => string): Record<string, string[]> =>
    Object.fromEntries([...groups].map(([group, members]) => [group, [...members].map(of).sort()]));
  return {
    cursors: Object.fromEntries([...model.cursors].map(([topic, offset]) => [topic, String(offset)])),
    epochs: Object.fromEntries(
      [...model.epochs].map(([topic, epoch]) => [topic, `${epoch}@${model.cursors.get(topic)}`]),
    ),
    closed: Object.fromEntries(
      [...model.closed].map(([month, cursors]) => [month, Object.fromEntries(cursors)]),
    ),
    sums,
    projects: sorted(model.projects, (project) => project),
    ids: sorted(model.ids, fingerprintOf),
  };
}
