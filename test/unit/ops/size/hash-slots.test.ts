import { firstSlots, mostOnOneMaster, slotOf } from '../../../../src/ops/size/hash-slots';
import { createKeys } from '../../../../src/redis/keys';

test.each([
  // From the specification of Redis Cluster, and by CLUSTER KEYSLOT.
  ['123456789', 0x31c3],
  ['foo', 12_182],
  ['foo{}{bar}', 8_363],
  ['{user1000}.following', 3_443],
  ['{user1000}.followers', 3_443],
  ['', 0],
])('the slot of %j', (key, slot) => {
  expect(slotOf(key)).toBe(slot);
});

test('the prefix of an installation leaves a shard where it is', () => {
  const slots = ['', 'acme'].map((prefix) => slotOf(createKeys(prefix).shard(7).cursor));
  expect(slots).toEqual([slotOf('7'), slotOf('7')]);
});

test('masters share the slots as redis-cli does', () => {
  expect(firstSlots(3)).toEqual([0, 5_461, 10_923]);
});

test.each([
  [[5_460, 5_461, 5_462, 10_922, 10_923], 3, 3],
  [[0, 16_383], 1, 2],
  [[0, 8_191, 8_192, 16_383], 2, 2],
])('of the slots %j, the fullest of %i masters has %i', (slots, masters, most) => {
  expect(mostOnOneMaster(slots, masters)).toBe(most);
});
