import type * as schemas from '../../../schemas/types';
import type { CatalogDocument } from '../../../src/billing/catalog/catalog';
import type { Invoice } from '../../../src/billing/invoice/invoice';
import type { ProjectDocument } from '../../../src/billing/project/project';

type Fixed<T> = T extends object ? { readonly [K in keyof T]: Fixed<T[K]> } : T;

/**
 * Billing may not import the schemas, so its own types are held against them here: what a schema
 * lets in must be what billing reads, and what billing writes must be what its schema promises. A
 * difference does not compile.
 */
const agree: [
  Fixed<schemas.CatalogDocument> extends CatalogDocument ? true : false,
  Fixed<schemas.ProjectDocument> extends ProjectDocument ? true : false,
  Invoice extends Fixed<schemas.Invoice> ? true : false,
] = [true, true, true];

test('the types of billing are those of the schemas', () => {
  expect(agree).toEqual([true, true, true]);
});
