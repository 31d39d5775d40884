import fc from 'fast-check';
import { elementsOf, EVENTS_PER_REQUEST_MAX, readEvents } from '../../../../src/web/gateway/read-events';

const structured = { 'content-type': 'application/cloudevents+json; charset=utf-8' };
const batch = { 'content-type': 'application/cloudevents-batch+json' };

test('the elements of an array keep the text that they came as', () => {
  expect(elementsOf('[ {"a": 1.0, "b": [1, 2]} , "x,]}\\"", 1e3,[],\n{} ]')).toEqual([
    '{"a": 1.0, "b": [1, 2]}',
    '"x,]}\\""',
    '1e3',
    '[]',
    '{}',
  ]);
  expect(elementsOf(' [ ] ')).toEqual([]);
});

test('elements of any array, parsed one by one, are those of the array parsed whole', () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue()), fc.integer({ min: 0, max: 3 }), (values, space) => {
      const text = JSON.stringify(values, undefined, space);
      const parsed = JSON.parse(text) as unknown;
      expect(elementsOf(text).map((element) => JSON.parse(element) as unknown)).toEqual(parsed);
      const given = readEvents(batch, Buffer.from(text));
      if (!given.ok) throw new Error(given.detail);
      // The consumers will parse the value: the gateway must judge the same document.
      for (const { value, parsed: own } of given.events)
        expect(own).toEqual({ document: JSON.parse(String(value)) as unknown });
    }),
  );
});

test('a structured event keeps its bytes', () => {
  const body = Buffer.from(' {"id":"é", "type":"t","subject":"acme"}\n');
  expect(readEvents(structured, body)).toEqual({
    ok: true,
    events: [
      {
        value: body,
        parsed: { document: { id: 'é', type: 't', subject: 'acme' } },
        headers: { 'content-type': 'application/cloudevents+json' },
        type: 't',
        subject: 'acme',
        id: 'é',
      },
    ],
  });
});

test('attributes of binary mode come percent-encoded in headers', () => {
  const headers = {
    'content-type': 'application/json',
    'ce-specversion': '1.0',
    'ce-id': 'caf%C3%A9',
    'ce-subject': 'acme',
    'ce-type': 't',
  };
  const read = readEvents(headers, Buffer.from('{}'));
  expect(read).toMatchObject({
    ok: true,
    events: [
      {
        id: 'café',
        subject: 'acme',
        headers: { ce_id: 'café', ce_specversion: '1.0', 'content-type': 'application/json' },
      },
    ],
  });
});

test('the content type decides, whatever ce- headers are there', () => {
  const read = readEvents(
    { ...structured, 'ce-specversion': '1.0', 'ce-id': 'other' },
    Buffer.from('{"id":"own"}'),
  );
  expect(read).toMatchObject({ ok: true, events: [{ id: 'own' }] });
});

test.each([
  ['no content type', {}, '{}', 415],
  ['another content type', { 'content-type': 'application/json' }, '{}', 415],
  ['text that is not JSON', structured, '{', 400],
  ['bytes that are not UTF-8', structured, Buffer.from([0x22, 0xff, 0x22]), 400],
  ['a byte order mark', structured, '\ufeff{}', 400],
  ['a batch that is not an array', batch, '{}', 400],
  ['a batch that is too long', batch, JSON.stringify(Array(EVENTS_PER_REQUEST_MAX + 1).fill({})), 400],
  ['a header that is not percent-encoded', { 'ce-specversion': '1.0', 'ce-id': '%E9' }, '{}', 400],
])('%s is refused', (_, headers, body, status) => {
  expect(readEvents(headers, Buffer.from(body))).toMatchObject({ ok: false, status });
});
