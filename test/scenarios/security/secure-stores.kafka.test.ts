import { makeCertificates, type Certificates } from '../../kit/security/certificates';
import { startSecureKafka, type SecureKafka } from '../../kit/security/secure-kafka';
import { startSecureRedis, type SecureRedis } from '../../kit/security/secure-redis';
import { installation } from '../../kit/tallyman';

let certificates: Certificates;
let kafka: SecureKafka;
let redis: SecureRedis;
/** The settings of a client that may do everything. */
let good: NodeJS.ProcessEnv;

beforeAll(async () => {
  certificates = makeCertificates();
  [kafka, redis] = await Promise.all([
    startSecureKafka(certificates, { tallyman: 'right' }, ['tallyman']),
    startSecureRedis(certificates),
  ]);
  const { ca, client } = certificates;
  good = {
    KAFKA_BROKERS: kafka.saslTls,
    KAFKA_SSL_CA: ca,
    KAFKA_SASL_MECHANISM: 'scram-sha-512',
    KAFKA_SASL_USERNAME: 'tallyman',
    KAFKA_SASL_PASSWORD: 'right',
    REDIS_URL: `rediss://${redis.tls}`,
    REDIS_TLS_CA: ca,
    REDIS_TLS_CERT: client.cert,
    REDIS_TLS_KEY: client.key,
  };
}, 120_000);
afterAll(async () => {
  await Promise.all([kafka.stop(), redis.stop()]);
  certificates.remove();
});

test('a month is counted over TLS, with a password for Kafka and a certificate for Redis', async () => {
  const tallyman = installation(good);
  await tallyman.ok('init', '--partitions', '1', '--replication', '1');
  const event = {
    ...{ specversion: '1.0', id: '1', source: '/test', type: 'usage.session.v1', subject: 'acme' },
    ...{ time: new Date().toISOString(), data: { service: 'webrtc', durationMs: 1_000 } },
  };
  expect(await tallyman.run(['publish', '-'], JSON.stringify(event))).toMatchObject({ code: 0 });
  await tallyman.ok('consume', '--until-caught-up');
  expect(await tallyman.json('totals', 'acme')).toMatchObject({ totals: { 'session.webrtc': '60' } });
}, 120_000);

test('each mistake ends in one line that names the setting', async () => {
  const { foreignCa, foreignClient } = certificates;
  const withoutSasl = { KAFKA_SASL_MECHANISM: '', KAFKA_SASL_USERNAME: '', KAFKA_SASL_PASSWORD: '' };
  const mistakes: Record<string, NodeJS.ProcessEnv> = {
    'KAFKA_SSL_CA name': { KAFKA_SSL_CA: foreignCa },
    'Correct KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD': { KAFKA_SASL_PASSWORD: 'wrong' },
    'set KAFKA_SASL_MECHANISM': {
      KAFKA_BROKERS: kafka.sasl,
      KAFKA_SASL_MECHANISM: '',
      KAFKA_SSL_CA: '',
      KAFKA_SASL_USERNAME: '',
    },
    'KAFKA_SSL_CERT and KAFKA_SSL_KEY': { ...withoutSasl, KAFKA_BROKERS: kafka.mutualTls },
    'KAFKA_SSL_CERT and KAFKA_SSL_KEY name a certificate of this client that the brokers trust': {
      ...{ ...withoutSasl, KAFKA_BROKERS: kafka.mutualTls },
      ...{ KAFKA_SSL_CERT: foreignClient.cert, KAFKA_SSL_KEY: foreignClient.key },
    },
    'REDIS_TLS_CA name': { REDIS_TLS_CA: foreignCa },
    'Name the host in REDIS_URL': { REDIS_URL: `rediss://localhost:${redis.tls.split(':')[1]}` },
    // With TLS 1.3 the server either says why or hangs up, and the advice differs by that.
    'REDIS_TLS_CERT and REDIS_TLS_KEY': { REDIS_TLS_CERT: '', REDIS_TLS_KEY: '' },
  };
  await Promise.all(
    Object.entries(mistakes).map(async ([text, env]) => {
      const { code, stderr } = await installation({ ...good, ...env }).run(['projects', 'list']);
      expect([code, stderr]).toEqual([
        1,
        expect.stringMatching(new RegExp(`^tallyman: [^\\n]*${text}[^\\n]*\\]\\n$`)),
      ]);
    }),
  );
}, 120_000);
