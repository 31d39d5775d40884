import { loadCatalog } from '../../src/installation/catalog-file';

export const { catalog: builtInCatalog, document: builtInDocument } = loadCatalog();
