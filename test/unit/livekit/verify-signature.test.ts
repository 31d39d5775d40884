import { createHash, createHmac } from 'node:crypto';
import { CLOCK_TOLERANCE_SECONDS, signatureProblem } from '../../../src/livekit/verify-signature';
import { RECORDED_KEYS, recordedWebhooks } from '../../kit/usage/livekit-webhooks';

const NOW = 1_795_000_000;
const body = Buffer.from('{"event":"room_started", "id":"EV_1"}');
const sha256 = createHash('sha256').update(body).digest('base64');
const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A token as LiveKit makes it, changed as a test wants. */
function token(claims: object = {}, { alg = 'HS256', secret = 's3cret' } = {}): string {
  const signed = `${encode({ alg, typ: 'JWT' })}.${encode({ iss: 'key', nbf: NOW, exp: NOW + 300, sha256, ...claims })}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}
const keys = new Map([
  ['old', 'other'],
  ['key', 's3cret'],
]);

test.each([...recordedWebhooks()])('%s: every recorded delivery is signed', (_, deliveries) => {
  for (const { headers, body: text } of deliveries) {
    const { iat } = JSON.parse(
      Buffer.from(headers['Authorization']!.split('.')[1]!, 'base64url').toString(),
    ) as {
      iat: number;
    };
    const bytes = Buffer.from(text);
    expect(signatureProblem(bytes, headers['Authorization'], RECORDED_KEYS, iat)).toBeUndefined();
    const changed = Buffer.from(bytes);
    changed[20]! ^= 1;
    expect(signatureProblem(changed, headers['Authorization'], RECORDED_KEYS, iat)).toBe('other_body');
    expect(signatureProblem(bytes, headers['Authorization'], new Map([['devkey', 'wrong']]), iat)).toBe(
      'wrong_signature',
    );
    expect(signatureProblem(bytes, headers['Authorization'], RECORDED_KEYS, iat + 400)).toBe('expired');
  }
});

test('the bare token and one behind Bearer are both right', () => {
  expect(signatureProblem(body, token(), keys, NOW)).toBeUndefined();
  expect(signatureProblem(body, `Bearer ${token()}`, keys, NOW)).toBeUndefined();
});

test.each([
  ['no_token', undefined],
  ['no_token', ''],
  ['malformed_token', 'abc'],
  ['malformed_token', 'a.b.c'],
  ['malformed_token', `${token()}.more`],
  ['other_algorithm', token({}, { alg: 'none' })],
  ['unknown_key', token({ iss: 'stranger' })],
  ['unknown_key', token({ iss: undefined })],
  ['wrong_signature', token({}, { secret: 'guess' })],
  ['wrong_signature', token().slice(0, -2)],
  ['malformed_token', token({ sha256: undefined })],
  ['malformed_token', token({ exp: 'never' })],
  ['other_body', token({ sha256: createHash('sha256').update('x').digest('base64') })],
])('%s', (problem, authorization) => {
  expect(signatureProblem(body, authorization, keys, NOW)).toBe(problem);
});

test('clocks may differ by a minute and no more', () => {
  const early = token({ nbf: NOW + CLOCK_TOLERANCE_SECONDS });
  const late = token({ exp: NOW - CLOCK_TOLERANCE_SECONDS });
  expect(signatureProblem(body, early, keys, NOW)).toBeUndefined();
  expect(signatureProblem(body, early, keys, NOW - 1)).toBe('not_yet_valid');
  expect(signatureProblem(body, late, keys, NOW)).toBeUndefined();
  expect(signatureProblem(body, late, keys, NOW + 1)).toBe('expired');
});
