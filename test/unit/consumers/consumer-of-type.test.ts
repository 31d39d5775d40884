import { consumerOfType } from '../../../consumers';

const TYPES = 'usage.session.v1, usage.transfer.v1, usage.agent.v1, usage.inference.v1';

test('a void belongs to the topic of the event that it takes back', () => {
  expect(consumerOfType('usage.void.v1', () => 'usage.agent.v1')).toMatchObject({ topic: 'usage.agent' });
});

test.each<[string, unknown, unknown, string]>([
  ['an unknown type', 'usage.fax.v1', undefined, `type is "usage.fax.v1" and must be one of ${TYPES}`],
  ['no type', undefined, undefined, `type is missing and must be one of ${TYPES}`],
  ['a void of an unknown type', 'usage.void.v1', 'fax', `data.type is "fax" and must be one of ${TYPES}`],
  [
    'a void of a void',
    'usage.void.v1',
    'usage.void.v1',
    `data.type is "usage.void.v1" and must be one of ${TYPES}`,
  ],
])('%s is told by the field that has it', (_, type, voidedType, message) => {
  expect(consumerOfType(type, () => voidedType)).toBe(message);
});
