import type { Seller } from '../billing/invoice/invoice';
import { TallymanError } from '../lib/errors';
import { readFailure, readTextFile } from '../lib/text/input-file';
import { validatorOf } from '../lib/schema';

/**
 * Reads and checks the file with the issuer of the invoices. Undefined if `path` is.
 *
 * @throws TallymanError `BAD_SELLER`, with every problem
 */
export function loadSeller(path: string | undefined): Seller | undefined {
  if (path === undefined) return undefined;
  const { value, problems } = readJson(path);
  if (problems.length === 0) return value as Seller;
  throw new TallymanError('BAD_SELLER', [`TALLYMAN_SELLER names ${path}:`, ...problems].join('\n  '), {
    path,
    problems,
  });
}

function readJson(path: string): { value: unknown; problems: string[] } {
  try {
    const value: unknown = JSON.parse(readTextFile(path));
    return { value, problems: validatorOf('seller.v1.json')(value) };
  } catch (error) {
    return { value: undefined, problems: [readFailure(error)] };
  }
}
