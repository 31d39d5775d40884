import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Paths of PEM files. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
  /** Both in one file, as Kafka reads them. */
  readonly both: string;
}

/** Two authorities that do not know each other, and certificates of the first one. */
export interface Certificates {
  readonly ca: string;
  readonly foreignCa: string;
  /** Names 127.0.0.1 and nothing else: `localhost` is a wrong name for it. */
  readonly server: Certificate;
  readonly client: Certificate;
  /** A client's certificate that the second authority signed. */
  readonly foreignClient: Certificate;
  remove(): void;
}

/** Makes them with openssl, valid for a day. */
export function makeCertificates(): Certificates {
  const folder = mkdtempSync(join(tmpdir(), 'tallyman-certificates-'));
  const at = (name: string): string => join(folder, name);
  const make = (name: string, subject: string, ...more: string[]): void =>
    void execFileSync(
      'openssl',
      [
        ...[
          'req',
          '-x509',
          '-nodes',
          '-days',
          '1',
          '-newkey',
          'ec',
          '-pkeyopt',
          'ec_paramgen_curve:prime256v1',
        ],
        ...['-keyout', at(`${name}.key`), '-out', at(`${name}.crt`), '-subj', subject, ...more],
      ],
      { stdio: 'pipe' },
    );
  const signed = (name: string, subject: string, authority: string, ...more: string[]): Certificate => {
    const by = ['-CA', at(`${authority}.crt`), '-CAkey', at(`${authority}.key`)];
    make(name, subject, ...by, '-addext', 'basicConstraints=critical,CA:FALSE', ...more);
    const [cert, key, both] = [at(`${name}.crt`), at(`${name}.key`), at(`${name}.pem`)];
    writeFileSync(both, readFileSync(key, 'utf8') + readFileSync(cert, 'utf8'));
    return { cert, key, both };
  };
  make('ca', '/CN=an authority');
  make('foreign-ca', '/CN=another authority');
  return {
    ca: at('ca.crt'),
    foreignCa: at('foreign-ca.crt'),
    server: signed('server', '/CN=server', 'ca', '-addext', 'subjectAltName=IP:127.0.0.1'),
    client: signed('client', '/CN=tallyman', 'ca'),
    foreignClient: signed('foreign-client', '/CN=tallyman', 'foreign-ca'),
    remove: () => rmSync(folder, { recursive: true }),
  };
}
