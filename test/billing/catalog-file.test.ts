import { builtInCatalog } from './built-in-catalog';

test('the built-in catalog is a good catalog', () => {
  expect([...builtInCatalog.plans.keys()]).toEqual(['build', 'ship', 'scale']);
});
