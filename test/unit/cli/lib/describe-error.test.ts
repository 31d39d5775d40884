import { KafkaJSConnectionError, KafkaJSNonRetriableError, KafkaJSNumberOfRetriesExceeded } from 'kafkajs';
import { describeError } from '../../../../src/cli/lib/describe-error';
import { TallymanError } from '../../../../src/lib/errors';

class ReplyError extends Error {
  override readonly name = 'ReplyError';
}

test('a reply of Redis that has no code of its own', () => {
  expect(describeError(new ReplyError('ERR unknown command'))).toMatchObject({
    code: 'REDIS_REFUSED',
    message: expect.stringContaining('ERR unknown command') as string,
  });
});

test('Kafka is away: one line names the reason, not the class of an error', () => {
  const refused = new KafkaJSConnectionError('Connection error: connect ECONNREFUSED 127.0.0.1:9092');
  const retried = new KafkaJSNumberOfRetriesExceeded(refused, { retryCount: 5, retryTime: 300 });
  for (const error of [refused, retried, new KafkaJSNonRetriableError(retried)]) {
    const { code, message } = describeError(error);
    expect(code).toBe('KAFKA_UNAVAILABLE');
    expect(message).toContain('ECONNREFUSED 127.0.0.1:9092');
    expect(message).not.toContain('\n');
  }
});

test('an error of our own is told as it is, however deep a library has wrapped it', () => {
  const own = new TallymanError('MONTH_NOT_OVER', 'The month is not over.');
  expect(describeError(own)).toBe(own);
  expect(describeError(new Error('wrapped', { cause: own }))).toBe(own);
});

test('a fault of the program is one line as well', () => {
  expect(describeError(new TypeError("Cannot read properties of undefined (reading 'a')"))).toMatchObject({
    code: 'UNEXPECTED',
    message: expect.stringMatching(/^Cannot read .*LOG_LEVEL=debug[^\n]*$/) as string,
  });
});

const openSsl = (reason: string): string =>
  `Connection error: 80BCC457677F0000:error:0A000412:SSL routines:ssl3_read_bytes:${reason}:../deps/openssl/x.c:1601:SSL alert number 42\n`;

test.each([
  [openSsl('sslv3 alert bad certificate'), 'KAFKA_UNAVAILABLE', 'KAFKA_SSL_CERT'],
  [openSsl('wrong version number'), 'KAFKA_UNAVAILABLE', 'unset KAFKA_SSL'],
  [
    'Failed to connect: error:05800074:x509 certificate routines::key values mismatch',
    'KAFKA_UNAVAILABLE',
    'Let KAFKA_SSL_KEY',
  ],
  ['Connection error: unable to verify the first certificate', 'KAFKA_UNAVAILABLE', 'KAFKA_SSL_CA'],
  ["Hostname/IP does not match certificate's altnames: Host: a", 'KAFKA_UNAVAILABLE', 'KAFKA_BROKERS'],
  ['Connection error: read ECONNRESET', 'KAFKA_UNAVAILABLE', 'KAFKA_SSL_CERT'],
  ['The broker does not support the requested SASL mechanism', 'KAFKA_UNAVAILABLE', 'KAFKA_SASL_MECHANISM'],
  [
    'SASL SCRAM SHA256 authentication failed: invalid credentials with SASL mechanism SCRAM-SHA-256',
    'KAFKA_ACCESS',
    'Correct KAFKA_SASL_USERNAME',
  ],
  ['Not authorized to access topics: [Topic authorization failed]', 'KAFKA_ACCESS', 'Grant'],
  ['Failed to find group coordinator', 'KAFKA_UNAVAILABLE', 'transactional ids'],
  ['Transactional Id authorization failed', 'KAFKA_ACCESS', 'Grant'],
])('%s: %s, with a remedy', (text, code, remedy) => {
  const error = describeError(new KafkaJSConnectionError(text));
  expect(error).toMatchObject({ code, message: expect.stringContaining(remedy) });
  expect(error.message).not.toMatch(/\n|routines|\.c:/);
});

test.each(['ENOSPC', 'EDQUOT', 'EIO'])('%s while an open file is written has a code of its own', (code) => {
  const error = Object.assign(new Error(`${code}: no luck, write`), { code, syscall: 'write' });
  expect(describeError(error)).toMatchObject({ code: 'FILE_UNUSABLE' });
  expect(describeError(Object.assign(error, { code: 'EBADF' }))).toMatchObject({ code: 'UNEXPECTED' });
});

test.each([
  ['EEXIST', 'Name another path'],
  ['EISDIR', 'Name a file'],
  ['ENOENT', 'Create the folder'],
  ['ENOTDIR', 'correct the path'],
  ['EACCES', 'its permissions'],
])('what to do about a path is said for %s', (code, remedy) => {
  const error = Object.assign(new Error(`${code}: x, open '/none/x'`), {
    ...{ code, syscall: 'open', path: '/none/x' },
  });
  expect(describeError(error)).toMatchObject({
    code: 'FILE_UNUSABLE',
    message: expect.stringContaining(remedy) as string,
  });
});
