import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import Ajv2020 from 'ajv/dist/2020';
import { consumerNamed, consumerNames } from '../../../consumers';
import { decodeEvent } from '../../../consumers/decode/decode-event';
import { compileSchema, validatorOf } from '../../../src/lib/schema';
import { deadLetterOf } from '../../../src/dead-letters/dead-letter';
import { event, LIMITS, messageOf } from '../../kit/usage/usage-events';
import { outsideValidator } from '../../kit/web/outside-validator';

const FOLDER = join(__dirname, '../../../schemas');
const files = readdirSync(FOLDER).filter((name) => name.endsWith('.json'));
const read = (file: string) =>
  JSON.parse(readFileSync(join(FOLDER, file), 'utf8')) as {
    $id: string;
    $schema: string;
    examples?: unknown[];
  };

describe.each(files)('%s', (file) => {
  test('is a schema of 2020-12 under its own name', () => {
    const schema = read(file);
    expect(new Ajv2020({ logger: false }).validateSchema(schema)).toBe(true);
    expect(schema.$schema).toBe('https://json-schema.org/draft/2020-12/schema');
    expect(schema.$id.endsWith(`/${file}`)).toBe(true);
  });

  test('takes its own examples', () => {
    const isGood = outsideValidator(file);
    for (const example of read(file).examples ?? [])
      expect([isGood(example), isGood.errors]).toEqual([true, null]);
  });
});

test.each(consumerNames)('the examples of %s are events that count', (name) => {
  const { examples } = read(`usage.${name}.v1.json`);
  expect(examples?.length).toBeGreaterThan(0);
  for (const example of examples!) {
    expect(decodeEvent(consumerNamed(name), messageOf(example), LIMITS)).toMatchObject({ ok: true });
  }
});

test('the events in the README are good, and of every kind', () => {
  const blocks = [...readFileSync(join(FOLDER, 'README.md'), 'utf8').matchAll(/```json\n(.*?)```/gs)];
  const documents = blocks
    .flatMap(([, block]) => (block!.startsWith('{\n') ? [block!] : block!.trim().split('\n')))
    .map((text) => JSON.parse(text) as { type?: string; kind?: string });
  const decoded = documents.map((document) => {
    const name = document.type === undefined ? 'inference' : document.type.split('.')[1]!;
    const whole = document.type === undefined ? event({}, { ...document }, name) : document;
    return [document.type ?? document.kind, decodeEvent(consumerNamed(name), messageOf(whole), LIMITS).ok];
  });
  expect(decoded).toEqual(
    ['usage.session.v1', 'usage.transfer.v1', 'usage.agent.v1', 'stt', 'llm', 'tts'].map((kind) => [
      kind,
      true,
    ]),
  );
});

test('dead letters are what their schema says', () => {
  const isGood = compileSchema('dead-letter.v1.json');
  const record = {
    topic: 'usage.session',
    partition: 0,
    offset: 7,
    timestampMs: 1,
    rejection: { ok: false, reason: 'malformed_json', detail: 'the value is empty' } as const,
  };
  for (const part of [
    { key: null, value: null, headers: undefined },
    { key: Buffer.from('acme'), value: Buffer.from('{'), headers: { a: 'b', c: [Buffer.from([0xff]), 'd'] } },
    { key: Buffer.from([0xff]), value: Buffer.alloc(0), headers: {} },
  ]) {
    const letter: unknown = JSON.parse(JSON.stringify(deadLetterOf({ ...record, ...part })));
    expect([isGood(letter), isGood.errors]).toEqual([true, null]);
  }
});

test('a check by a schema names the field, the value and the rule', () => {
  const problems = validatorOf('dead-letter.v1.json');
  expect(problems({ reason: 'odd' })[0]).toMatch(/is missing$/);
  expect(() => compileSchema('absent.v1.json')({})).toThrow(RangeError);
});
