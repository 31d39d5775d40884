import { faultSuite } from '../support/fault-suite';
import { growUnderLoad } from './grow';

const fault = faultSuite('kafka: growth, quick');

fault('2 to 4 partitions under load, with repeats of everything from before', (run) =>
  growUnderLoad(run, { from: 2, to: 4, events: 3_000, perSecond: 500, consumers: 1, kills: 1 }),
);
