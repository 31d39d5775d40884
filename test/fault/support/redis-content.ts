import { keysOf, openRedis } from '../../kit/redis/open-redis';

/** What Redis holds of an installation, read key by key, with none of the product's code. */
export interface RedisContent {
  /** `<project> <month> <meter>` -> sum over all shards */
  readonly totals: ReadonlyMap<string, bigint>;
  /** `<project> <month> <day>/<meter>` -> sum over all shards */
  readonly daily: ReadonlyMap<string, bigint>;
  /** `<topic>/<partition>` -> next offset to apply */
  readonly cursors: ReadonlyMap<string, number>;
}

export async function readContent(url: string, prefix: string): Promise<RedisContent> {
  const redis = openRedis(url);
  try {
    const totals = new Map<string, bigint>();
    const daily = new Map<string, bigint>();
    const cursors = new Map<string, number>();
    const sums: Record<string, Map<string, bigint>> = { totals, daily };
    for (const key of await keysOf(redis, `${prefix}:usage:*`)) {
      const [, shard = '', kind = '', month = '', project = ''] =
        /\{(\d+)\}:(totals|daily|cursor)(?::(\d{4}-\d\d):(.*))?$/.exec(key) ?? [];
      if (kind === '') continue;
      for (const [field, value] of Object.entries(await redis.hgetall(key))) {
        if (kind === 'cursor') {
          cursors.set(field.includes('/') ? field : `${field}/${shard}`, Number(value));
        } else {
          const name = `${project} ${month} ${field}`;
          const into = sums[kind]!;
          into.set(name, (into.get(name) ?? 0n) + BigInt(value));
        }
      }
    }
    return { totals, daily, cursors };
  } finally {
    redis.disconnect();
  }
}

/** All days of each meter added up, under the name that their total has. */
export function sumsOfDays({ daily }: RedisContent): Map<string, bigint> {
  const sums = new Map<string, bigint>();
  for (const [name, quantity] of daily) {
    const [, project, month, of, meter] = /^(.*) (\d{4}-\d\d) (\d{4}-\d\d)-\d\d\/(.*)$/s.exec(name)!;
    const total = `${project} ${month} ${of === month ? meter : `${of}@${meter}`}`;
    sums.set(total, (sums.get(total) ?? 0n) + quantity);
  }
  return sums;
}
