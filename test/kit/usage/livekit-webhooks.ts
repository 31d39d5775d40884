import { createHash, createHmac } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const FOLDER = join(__dirname, '../fixtures/livekit');

/** The key that the recorded servers signed with: they listened on loopback only, and are gone. */
export const RECORDED_KEYS = new Map([['devkey', 'a-development-secret-of-32-characters']]);

/** One request that a LiveKit server sent, byte for byte. */
export interface Delivery {
  readonly seq: number;
  readonly attempt: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/**
 * What was recorded under a name: `webhooks/blink.json` -> its deliveries in the order in which
 * they came.
 */
export function recordedWebhooks(): Map<string, readonly Delivery[]> {
  const files = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.json'))
    .sort();
  return new Map(
    files.map((name) => {
      const read = JSON.parse(readFileSync(join(FOLDER, name), 'utf8')) as
        Delivery | { readonly deliveries: readonly Delivery[] };
      return [name, 'deliveries' in read ? read.deliveries : [read]];
    }),
  );
}

/** The usage events that each recording comes to, by the independent program that made the list. */
export function expectedUsages(): Map<string, unknown[]> {
  const expected = new Map<string, unknown[]>();
  for (const line of readFileSync(join(FOLDER, 'expected.ndjson'), 'utf8').trim().split('\n')) {
    const { from, event } = JSON.parse(line) as { from: string; event: unknown };
    expected.set(from, [...(expected.get(from) ?? []), event]);
  }
  return expected;
}

/**
 * The `Authorization` of a webhook, as LiveKit makes it: over the body's bytes, valid for five
 * minutes.
 */
export function signatureOf(
  body: string,
  { key, secret, nowSeconds }: { key?: string; secret?: string; nowSeconds?: number } = {},
): string {
  const [[recordedKey, recordedSecret]] = [...RECORDED_KEYS] as [[string, string]];
  const iat = nowSeconds ?? Math.floor(Date.now() / 1000);
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const sha256 = createHash('sha256').update(body).digest('base64');
  const claims = { iss: key ?? recordedKey, iat, nbf: iat, exp: iat + 300, sha256 };
  const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`;
  const signature = createHmac('sha256', secret ?? recordedSecret).update(signed);
  return `${signed}.${signature.digest('base64url')}`;
}
