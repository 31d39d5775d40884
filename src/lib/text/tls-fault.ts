/** Why a TLS connection could not be made. */
export type TlsFault =
  'not TLS' | 'unknown authority' | 'wrong name' | 'refused client' | 'wrong key' | 'other';

/** Of two patterns that match, the first one decides. */
const FAULTS: readonly (readonly [pattern: RegExp, fault: TlsFault])[] = [
  [/before secure TLS|wrong version number|packet length too long/, 'not TLS'],
  [/key values mismatch/, 'wrong key'],
  [/alert .*(certificate|unknown ca)/, 'refused client'],
  [/self-signed|self signed|unable to (verify|get)/, 'unknown authority'],
  [/altnames/, 'wrong name'],
  [/certificate|PEM|\balert\b/, 'other'],
];

/** Reads the text of an error of Node or OpenSSL; undefined if it is not about TLS. */
export const tlsFaultOf = (text: string): TlsFault | undefined =>
  FAULTS.find(([pattern]) => pattern.test(text))?.[1];

/** Leaves the reason of a line of OpenSSL: `80BC:error:0A04:SSL routines:read:REASON:file:line`. */
export const withoutOpenSslDetails = (text: string): string =>
  text.replace(/(?:[0-9A-F]+:)?error:[0-9A-F]+:[^:]*:[^:]*:([^:\n]+)[^]*/, '$1').trimEnd();
