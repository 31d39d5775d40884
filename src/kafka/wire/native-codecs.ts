import type * as Lz4 from 'lz4-napi';
import type * as Snappy from 'snappy';
import { TallymanError } from '../../lib/errors';

/*
 * Native packages, which `npm install --omit=optional` leaves out. Each is loaded at its first use.
 */
/* eslint-disable @typescript-eslint/no-require-imports -- `import()` would make them a promise */

let snappy: typeof Snappy | undefined;
let lz4: typeof Lz4 | null | undefined;

/** @throws TallymanError `CODEC_MISSING` */
export function nativeSnappy(): typeof Snappy {
  try {
    return (snappy ??= require('snappy') as typeof Snappy);
  } catch (cause) {
    throw new TallymanError(
      'CODEC_MISSING',
      'it is compressed with snappy, and the package snappy is not installed',
      {},
      { cause },
    );
  }
}

/** undefined if it is not installed. Only writing needs it: lz4-decoder.ts reads lz4. */
export function nativeLz4(): typeof Lz4 | undefined {
  if (lz4 === undefined) {
    try {
      lz4 = require('lz4-napi') as typeof Lz4;
    } catch {
      lz4 = null;
    }
  }
  return lz4 ?? undefined;
}
