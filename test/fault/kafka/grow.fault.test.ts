import { scaled, faultSuite } from '../support/fault-suite';
import { growUnderLoad } from './grow';

const fault = faultSuite('kafka: growth');

fault(
  '12 to 24 partitions under load, three consumers, with repeats of everything from before',
  (run) =>
    growUnderLoad(run, {
      ...{ from: 12, to: 24, events: scaled(60_000, 4_000), perSecond: 2_000 },
      ...{ consumers: 3, kills: 5 },
    }),
  900_000,
);
