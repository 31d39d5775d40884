import { decode, reasonOf, TIME } from '../../kit/usage/usage-events';

const headers = {
  ce_specversion: Buffer.from('1.0'),
  ce_id: Buffer.from('PA_1'),
  ce_source: '/sfu',
  ce_type: Buffer.from('usage.session.v1'),
  ce_subject: Buffer.from('acme'),
  ce_time: Buffer.from(TIME),
};
const data = { service: 'sip', durationMs: '61000' };

test('attributes stand in headers, the value is the data', () => {
  expect(decode(data, { headers })).toMatchObject({
    ok: true,
    id: 'PA_1',
    source: '/sfu',
    project: 'acme',
    time: { seconds: 1_791_970_270, nanos: 200_000_000 },
    usages: [{ meter: 'session.sip.third_party', used: { seconds: 61, nanos: 0 } }],
  });
});

test.each([
  ['bytes', [Buffer.from('a'), Buffer.from('b')]],
  ['texts', ['a', 'b']],
  ['bytes and text', [Buffer.from('a'), 'b']],
  ['bytes of which the first are no UTF-8', [Buffer.from([0xff]), Buffer.from('b')]],
])('of a header given twice the last counts: %s', (_, ids) => {
  expect(decode(data, { headers: { ...headers, ce_id: ids } })).toMatchObject({ ok: true, id: 'b' });
});

test('without the header ce_specversion the value is the whole event, whatever other headers say', () => {
  const { ce_specversion: _, ...others } = headers;
  expect(decode(data, { headers: others })).toMatchObject({
    reason: 'schema_violation',
    detail: 'specversion is missing and must be "1.0"',
  });
});

test('attributes inside the data are data', () => {
  expect(decode({ ...data, id: 5, subject: 'other', type: 'x' }, { headers })).toMatchObject({
    ok: true,
    id: 'PA_1',
    project: 'acme',
  });
});

test('other headers are ignored, whatever they hold', () => {
  const others = {
    traceparent: Buffer.from([0xff]),
    ce_datacontenttype: Buffer.from([0xff]),
    __proto__x: [],
    empty: null,
  };
  expect(reasonOf(decode(data, { headers: { ...headers, ...others } }))).toBe('ok');
});

test.each([
  ['a header that is not UTF-8', { ...headers, ce_id: Buffer.from([0xff]) }, data],
  ['a header whose last value is not UTF-8', { ...headers, ce_id: ['a', Buffer.from([0xff])] }, data],
  ['a version that is not UTF-8', { ...headers, ce_specversion: Buffer.from([0xff]) }, data],
  ['a header that is missing', { ...headers, ce_subject: undefined }, data],
  ['a header without a value', { ...headers, ce_subject: null }, data],
  ['an empty header', { ...headers, ce_id: Buffer.alloc(0) }, data],
  ['a header with no values', { ...headers, ce_id: [] }, data],
  ['a version without a value', { ...headers, ce_specversion: null }, data],
  ['a version that is not known', { ...headers, ce_specversion: Buffer.from('2.0') }, data],
  ['a byte order mark in a header', { ...headers, ce_time: `\ufeff${TIME}` }, data],
  ['a value that is not an object', headers, 5],
  ['a value that is null in JSON', headers, 'null'],
  ['a value that is a whole event', headers, { specversion: '1.0', data }],
])('%s is a schema violation', (_, withHeaders, value) => {
  expect(reasonOf(decode(value, { headers: withHeaders }))).toBe('schema_violation');
});

test.each([
  ['an empty value', ''],
  ['a null value', null],
  ['no JSON', '{'],
])('%s is malformed, before its headers are looked at', (_, value) => {
  expect(reasonOf(decode(value, { headers: { ...headers, ce_id: Buffer.from([0xff]) } }))).toBe(
    'malformed_json',
  );
});

test("another topic's type goes before bad data", () => {
  expect(reasonOf(decode({}, { headers: { ...headers, ce_type: 'usage.agent.v1' } }))).toBe('wrong_type');
});
