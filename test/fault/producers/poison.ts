import { binary, json, structured } from '../../../src/oracle/write-record';
import type { EventDraft } from '../../../src/oracle/usage-draft';
import { MONTH } from '../support/load';

/** A record that is meant to do harm, and what must become of it. */
export interface Poison {
  readonly name: string;
  readonly topic: 'usage.session' | 'usage.transfer' | 'usage.inference';
  readonly key?: string | null;
  readonly value: Buffer | null;
  readonly headers?: Readonly<Record<string, string | Buffer | (string | Buffer)[]>>;
  /** The reason of its dead letter; undefined where it is a good event. */
  readonly reason?: string;
  /** What it adds, where it is good: project, meter, quantity. */
  readonly counts?: readonly [project: string, meter: string, quantity: bigint];
}

export const TIME = `${MONTH}-10T12:00:00Z`;
const MIB = 1_048_576;

const draft = (id: string, more: Partial<EventDraft> = {}): EventDraft => ({
  topic: 'usage.session',
  id,
  source: '/sfu',
  project: 'poison',
  time: TIME,
  data: { service: 'webrtc', durationMs: 1 },
  ...more,
});
const good = (id: string, more: Partial<EventDraft> = {}): Buffer => json(structured(draft(id, more)));
/** The JSON of a good event, changed as text: JSON.stringify cannot write all that arrives. */
const text = (id: string, from: string, to: string, more: Partial<EventDraft> = {}): Buffer => {
  const whole = good(id, more).toString();
  if (!whole.includes(from)) throw new Error(`no ${from} in ${whole}`);
  return Buffer.from(whole.replace(from, () => to));
};
const session = { topic: 'usage.session' } as const;
const minute = (project = 'poison') => [project, 'session.webrtc', 60n] as const;
const bytesOf = (id: string, bytes: string): Buffer =>
  text(id, '"BYTES"', bytes, {
    topic: 'usage.transfer',
    data: { service: 'webrtc', direction: 'upstream', bytes: 'BYTES' },
  });
const transfer = (id: string, bytes: string, quantity?: bigint): Poison => ({
  name: `bytes: ${bytes}`,
  topic: 'usage.transfer',
  value: bytesOf(id, bytes),
  ...(quantity === undefined
    ? { reason: 'schema_violation' }
    : { counts: ['poison', 'transfer.upstream', quantity] }),
});
const nested = (open: string, close: string): string => open.repeat(100_000) + close.repeat(100_000);
const manyHeaders = (count: number, of: Record<string, string> = {}): Record<string, string> => ({
  ...Object.fromEntries(Array.from({ length: count }, (_, i) => [`x-${i}`, ''])),
  ...of,
});

export const poisons: readonly Poison[] = [
  { ...session, name: 'null value', value: null, reason: 'malformed_json' },
  { ...session, name: 'empty value', value: Buffer.alloc(0), reason: 'malformed_json' },
  { ...session, name: 'null key', key: null, value: good('null key'), counts: minute() },
  { ...session, name: 'empty key', key: '', value: good('empty key'), counts: minute() },
  { ...session, name: '1 MiB', value: Buffer.from(good('1 MiB').toString().padEnd(MIB)), counts: minute() },
  { ...session, name: '1 MiB and a byte', value: Buffer.from(good('too large').toString().padEnd(MIB + 1)), reason: 'too_large' },
  { ...session, name: '2 MiB, nearly', value: Buffer.alloc(2 * MIB - 1_000, 'x'), reason: 'too_large' },
  { ...session, name: 'invalid UTF-8', value: Buffer.from([0x7b, 0xc3, 0x28, 0x7d]), reason: 'malformed_json' },
  { ...session, name: 'an overlong slash', value: Buffer.from([0x22, 0xc0, 0xaf, 0x22]), reason: 'malformed_json' },
  { ...session, name: 'byte order mark', value: Buffer.from(`\ufeff${good('bom').toString()}`), reason: 'malformed_json' },
  { ...session, name: 'UTF-16', value: Buffer.from(good('utf16').toString(), 'utf16le'), reason: 'malformed_json' },
  { ...session, name: 'lists nested 100,000 deep', value: Buffer.from(nested('[', ']')), reason: 'schema_violation' },
  { ...session, name: 'lists left open', value: Buffer.from('['.repeat(500_000)), reason: 'malformed_json' },
  { ...session, name: 'deep id', value: text('deep id', '"deep id"', nested('[', ']')), reason: 'schema_violation' },
  { ...session, name: 'deep data', value: text('deep data', '{"service":"webrtc","durationMs":1}', nested('{"a":', '').replace(/$/, `1${'}'.repeat(100_000)}`)), reason: 'schema_violation' },
  { ...session, name: 'deep service', value: text('deep service', '"webrtc"', nested('[', ']')), reason: 'schema_violation' },
  { ...session, name: 'deep field that nobody reads', value: text('deep', '"durationMs":1', `"durationMs":1,"x":${nested('[', ']')}`), counts: minute() },
  transfer('1e400', '1e400'),
  transfer('2^63', '9223372036854775808'),
  transfer('2^53', '9007199254740992'),
  transfer('2^53-1', '9007199254740991', 9_007_199_260_000_000n),
  transfer('2^53-1 as text', '"9007199254740991"', 9_007_199_260_000_000n),
  transfer('long text', `"${'9'.repeat(100_000)}"`),
  transfer('-0', '-0', 0n),
  transfer('"-0"', '"-0"'),
  transfer('1e-7', '1e-7'),
  transfer('1e3', '1e3', 10_000_000n),
  transfer('1.0', '1.0', 10_000_000n),
  transfer('NaN', '"NaN"'),
  { ...session, name: 'project __proto__', key: '__proto__', value: good('p', { project: '__proto__' }), counts: minute('__proto__') },
  { ...session, name: 'project constructor', key: 'constructor', value: good('c', { project: 'constructor' }), counts: minute('constructor') },
  { ...session, name: 'field __proto__', value: text('f', '"durationMs":1', '"durationMs":1,"__proto__":{"durationMs":99999999}'), counts: minute() },
  { ...session, name: 'attribute __proto__', value: text('g', '{', '{"__proto__":{"subject":"other"},'), counts: minute() },
  { ...session, name: 'attributes from a prototype', value: Buffer.from(`{"__proto__":${good('h').toString()}}`), reason: 'schema_violation' },
  { ...session, name: 'model constructor', topic: 'usage.inference', value: good('m', { topic: 'usage.inference', data: { kind: 'tts', model: 'constructor', characters: 7 } }), counts: ['poison', 'inference.tts/constructor', 7n] },
  { ...session, name: 'lone surrogates', value: text('surrogate', '"surrogate"', '"\\ud800"'), counts: minute() },
  { ...session, name: 'other lone surrogates', value: text('surrogate', '"surrogate"', '"\\udfff"'), counts: minute() },
  { ...session, name: 'a field given twice', value: text('twice', '"durationMs":1', '"durationMs":99999999,"durationMs":1'), counts: minute() },
  { ...session, name: 'an id given twice', value: text('one', '"id":"one"', '"id":"one","id":"two"'), counts: minute() },
  { ...session, name: 'the id that was meant', value: good('two') },
  { ...session, name: 'header without a name or a value', headers: { '': '', empty: '' }, value: good('headers'), counts: minute() },
  { ...session, name: '10,000 headers', headers: manyHeaders(10_000), value: good('10,000'), counts: minute() },
  { ...session, name: '10,000 headers, and bad', headers: manyHeaders(10_000), value: Buffer.from('x'), reason: 'malformed_json' },
  { ...session, name: '100,000 headers, and bad', headers: manyHeaders(100_000), value: Buffer.from('x'), reason: 'malformed_json' },
  { ...session, name: 'a header 100,000 times, and bad', headers: { again: Array<string>(100_000).fill('') }, value: Buffer.from('x'), reason: 'malformed_json' },
  ...['constructor', '__proto__', 'toString', 'hasOwnProperty'].map((name): Poison => ({
    ...session, name: `header ${name}, and bad`, headers: Object.fromEntries([[name, 'x']]), value: Buffer.from('x'), reason: 'malformed_json',
  })),
  { ...session, name: 'binary among 10,000 headers', ...binary(draft('binary')), headers: manyHeaders(10_000, binary(draft('binary')).headers), counts: minute() },
  { ...session, name: 'binary, an attribute that is not UTF-8', ...binary(draft('b')), headers: { ...binary(draft('b')).headers, ce_id: Buffer.from([0xff]) }, reason: 'schema_violation' },
  { ...session, name: 'binary, null value', headers: binary(draft('n')).headers, value: null, reason: 'malformed_json' },
]; // prettier-ignore
