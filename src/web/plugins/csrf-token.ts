import { randomBytes } from 'node:crypto';

/**
 * The proof of a session's forms is sent behind a new random mask each time, so that the length of
 * a compressed page says nothing about it.
 */
export function masked(proof: Buffer): string {
  const mask = randomBytes(proof.length);
  return Buffer.concat([mask, xor(proof, mask)]).toString('base64url');
}

/** The proof; empty for a text that is not a masked one. */
export function unmasked(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64url');
  const half = bytes.length >> 1;
  return bytes.length % 2 === 0 ? xor(bytes.subarray(half), bytes.subarray(0, half)) : Buffer.alloc(0);
}

const xor = (a: Buffer, b: Buffer): Buffer => Buffer.from(a.map((byte, i) => byte ^ b[i]!));
