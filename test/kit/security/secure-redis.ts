import { freePort } from '../../../src/dev/services/free-port';
import { startNativeRedis } from '../../../src/dev/services/native-redis';
import type { Certificates } from './certificates';

/** A Redis with a port for TLS beside the one without. */
export interface SecureRedis {
  /** host:port. It wants a certificate of the client. */
  readonly tls: string;
  stop(): Promise<void>;
}

export async function startSecureRedis({ ca, server }: Certificates): Promise<SecureRedis> {
  const port = await freePort();
  const redis = await startNativeRedis(
    () => undefined,
    [
      ...['--tls-port', String(port), '--tls-auth-clients', 'yes', '--tls-ca-cert-file', ca],
      ...['--tls-cert-file', server.cert, '--tls-key-file', server.key],
    ],
  );
  return { tls: `127.0.0.1:${port}`, stop: () => redis.stop() };
}
