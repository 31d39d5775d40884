import { moreCopies } from '../../../../src/kafka/topics/replication';
import type { PartitionMetadata } from '../../../../src/kafka/topics/topic-metadata';

const partition = (partitionId: number, ...replicas: number[]): PartitionMetadata => ({
  ...{ partitionId, leader: replicas[0]!, replicas, isr: replicas },
});

test('existing copies stay first, and new ones go where the fewest are', () => {
  const partitions = [partition(0, 1), partition(1, 1), partition(2, 2, 3), partition(3, 4, 1, 2)];
  expect(moreCopies(partitions, 2, [1, 2, 3, 4])).toEqual([
    { partition: 0, replicas: [1, 3] },
    { partition: 1, replicas: [1, 4] },
  ]);
});

test('a partition with enough copies is left alone, even if a broker that holds one is down', () => {
  expect(moreCopies([partition(0, 3, 1, 2)], 3, [1, 2])).toEqual([]);
  expect(moreCopies([partition(0, 3, 1, 2)], 2, [1, 2])).toEqual([]);
});
