import { readPlainHeaders } from '../../../../consumers/decode/plain-headers';

/** The headers of a record with their places, as they are in the bytes of a batch. */
function read(headers: readonly (readonly [name: string, value: string])[]): unknown {
  const bytes = Buffer.from(headers.flat().join(''));
  let at = 0;
  const place = (text: string): number[] => [at, (at += Buffer.byteLength(text))];
  return readPlainHeaders(
    bytes,
    headers.flatMap(([name, value]) => [...place(name), ...place(value)]),
  );
}

const BINARY = [
  ['ce_specversion', '1.0'],
  ['ce_id', 'PA_1'],
  ['ce_source', '/sfu'],
  ['ce_type', 'usage.session.v1'],
  ['ce_subject', 'acme'],
] as const;
const ATTRIBUTES = {
  specversion: '1.0',
  id: 'PA_1',
  source: '/sfu',
  type: 'usage.session.v1',
  subject: 'acme',
};

test.each(['ce_subject"', 'ce_subject\u00e9', 'ce_subject\n', 'ce_subject\\'])(
  'a header %j is not the attribute that its name begins with: the slow reader decides',
  (name) => {
    expect(read([...BINARY, [name, 'other']])).toBeUndefined();
  },
);

test.each(['x-request-id', 'ce_subjects', 'CE_SUBJECT', ''])('a header %j is left out', (name) => {
  expect(read([...BINARY, [name, 'other']])).toMatchObject(ATTRIBUTES);
});

test('the content type in another spelling is left to the slow reader', () => {
  expect(read([...BINARY, ['Content-Type', 'application/cloudevents+json']])).toBeUndefined();
});
