import { isZone } from '../rating/billing-calendar';
import { parseDuration } from './text/duration-text';
import { readFailure, readTextFile } from './text/input-file';

/** What a setting's text can be, and how it is read. */
export interface Kind<T> {
  /**
   * @returns the value, or what is wrong with the text as `is "x": use y`, which the name of the
   *   setting is put before
   */
  readonly read: (text: string) => { readonly value: T } | { readonly problem: string };
  /** Whether spaces at either end belong to the value, as they may in a password. */
  readonly verbatim?: true;
}

/** HS256 is as strong as its key: RFC 7518 asks for at least the 256 bits of the hash. */
const AUTH_SECRET_MIN_BYTES = 32;
const PORT_MAX = 65_535;

export const text: Kind<string> = { read: (value) => ({ value }) };

export const password: Kind<string> = { read: (value) => ({ value }), verbatim: true };

/** Text that matches a pattern; `use` completes "use ...". */
export const pattern = (allowed: RegExp, use: string): Kind<string> => ({
  read: (value) => (allowed.test(value) ? { value } : { problem: `is "${value}": use ${use}` }),
});

export const oneOf = <T extends string>(...allowed: readonly T[]): Kind<T> => ({
  read(text) {
    const value = allowed.find((candidate) => candidate === text);
    return value === undefined ? { problem: `is "${text}": use one of ${allowed.join(', ')}` } : { value };
  },
});

/** One of some words, in any case. */
export const oneOfAnyCase = <T extends string>(...allowed: readonly T[]): Kind<T> => ({
  read(text) {
    const read = oneOf(...allowed).read(text.toLowerCase());
    return 'value' in read ? read : { problem: `is "${text}": use one of ${allowed.join(', ')}` };
  },
});

export const trueOrFalse: Kind<boolean> = {
  read(text) {
    const read = oneOf('true', 'false').read(text);
    return 'value' in read ? { value: read.value === 'true' } : read;
  },
};

/** Milliseconds. */
export const duration: Kind<number> = {
  read(text) {
    const value = parseDuration(text);
    return value === undefined
      ? { problem: `is "${text}": use a duration such as 90m, 1h or 400d` }
      : { value };
  },
};

export const port: Kind<number> = {
  read: (text) =>
    isPort(text)
      ? { value: Number(text) }
      : { problem: `is "${text}": use a port from 0 (any that is free) to 65535` },
};

const isPort = (text: string): boolean => /^\d{1,5}$/.test(text) && Number(text) <= PORT_MAX;

/** Bytes, from a whole number of MiB. */
export const mebibytes: Kind<number> = {
  read: (text) =>
    /^[1-9]\d{0,5}$/.test(text)
      ? { value: Number(text) * 1_048_576 }
      : { problem: `is "${text}": use a whole number of MiB from 1 to 999999` },
};

/** The text of a file in PEM. A file of another kind would fail later, with an error of TLS. */
export const pemFile: Kind<string> = {
  read(path) {
    try {
      const value = readTextFile(path);
      if (value.includes('-----BEGIN ')) return { value };
      return { problem: `names "${path}", which is not PEM: use a file with -----BEGIN ... lines` };
    } catch (error) {
      return { problem: `names "${path}", which cannot be read: ${readFailure(error)}` };
    }
  },
};

export const brokers: Kind<readonly string[]> = {
  read(text) {
    const value = text.split(',').map((broker) => broker.trim());
    const bad = value.filter((broker) => {
      const [, digits] = /^(?:\[[0-9a-fA-F:]+\]|[^\s:/]+):(\d+)$/.exec(broker) ?? [];
      return digits === undefined || !isPort(digits);
    });
    if (bad.length === 0) return { value };
    return { problem: `holds "${bad.join('", "')}": each broker is host:port, separated by commas` };
  },
};

const REDIS_NODE =
  /^(?:rediss?(?:\+cluster)?:\/\/)?(?:[^\s/]*@)?(?:\[[0-9a-fA-F:]+\]|[^\s/:@]+)(?::(\d+))?(?:\/\d+)?(?:\?\S*)?$/;

export const redisUrl: Kind<string> = {
  read(value) {
    if (value.includes('+sentinel://'))
      return {
        problem: 'names a Sentinel, which is not supported: name the primary, or use redis+cluster://',
      };
    const bad = value.split(',').filter((node) => {
      const [matched, digits = '0'] = REDIS_NODE.exec(node.trim()) ?? [];
      return matched === undefined || !isPort(digits);
    });
    const isCluster = value.includes(',') || value.includes('+cluster://');
    const [, database] = (isCluster && /\/([1-9]\d*)(?:$|[,?])/.exec(value)) || [];
    if (bad.length === 0 && database !== undefined)
      return { problem: `holds the database ${database}: a cluster has only database 0, so leave it out` };
    if (bad.length === 0) return { value };
    return {
      problem: `holds "${bad.map(hidePassword).join('", "')}": use redis://host:port, rediss://..., or nodes of a cluster by commas`,
    };
  },
};

/** A URL for the log, without its password. */
export function hidePassword(url: string): string {
  return url.replace(/\/\/([^:/@]*):[^@]*@/, '//$1:***@');
}

export const zone: Kind<string> = {
  read: (value) =>
    isZone(value) ? { value } : { problem: `is "${value}": use an IANA zone such as UTC or Europe/Berlin` },
};

export const authSecret: Kind<string> = {
  read(value) {
    const bytes = Buffer.byteLength(value);
    if (bytes >= AUTH_SECRET_MIN_BYTES) return { value };
    return {
      problem: `has ${bytes} bytes: use ${AUTH_SECRET_MIN_BYTES} or more, e.g. from \`openssl rand -hex 32\``,
    };
  },
};

/** `key: secret` pairs, separated by commas or lines. */
export const keyPairs: Kind<ReadonlyMap<string, string>> = {
  read(text) {
    const value = new Map<string, string>();
    for (const pair of text.split(/[,\n]/).filter((part) => part.trim() !== '')) {
      const [, key = '', secret = ''] = /^\s*([^:\s]+)\s*:\s*(\S+)\s*$/.exec(pair) ?? [];
      if (secret === '') return { problem: 'must hold `key: secret` pairs, separated by commas' };
      value.set(key, secret);
    }
    return { value };
  },
};

/** Origins as a browser sends them. `*` is not one, because it would let every page read. */
export const origins: Kind<readonly string[]> = {
  read(text) {
    const value = text.split(',').map((origin) => origin.trim());
    const bad = value.filter((origin) => !isOrigin(origin));
    if (bad.length === 0) return { value };
    return {
      problem: `holds "${bad.join('", "')}": use exact origins such as https://app.example.com, separated by commas`,
    };
  },
};

const isOrigin = (text: string): boolean =>
  /^https?:\/\/[a-z0-9.:[\]-]+$/.test(text) && URL.canParse(text) && new URL(text).origin === text;

/** `true`, `false`, or the addresses of proxies. */
export const trustedProxies: Kind<boolean | string> = {
  read: (text) => ({ value: text === 'true' || (text !== 'false' && text) }),
};
