import { loadCatalog } from '../../src/catalog-file';

export const { catalog: builtInCatalog, document: builtInDocument } = loadCatalog();
