import {
  countingSettings,
  isComplete,
  settingsThatDiffer,
} from '../../../src/installation/recorded-settings';
import { readConfig } from '../../../src/lib/config';

const own = (env: NodeJS.ProcessEnv = {}): ReturnType<typeof countingSettings> =>
  countingSettings(readConfig(env));
const longer = own({ TALLYMAN_DURATION_LIMIT: '60d' });
const { TALLYMAN_DURATION_LIMIT: _, ...older } = own();

test('the limit of a usage is compared like every other setting', () => {
  expect(settingsThatDiffer(own(), own({ TALLYMAN_DURATION_LIMIT: '744h' }))).toEqual([]);
  expect(settingsThatDiffer(own(), longer)).toEqual([
    'TALLYMAN_DURATION_LIMIT is 5184000000ms and was 2678400000ms',
  ]);
  expect(settingsThatDiffer(longer, own())).toEqual([
    'TALLYMAN_DURATION_LIMIT is 2678400000ms and was 5184000000ms',
  ]);
});

test('an installation that did not record the limit has the default', () => {
  expect(isComplete(older)).toBe(false);
  expect(isComplete(own())).toBe(true);
  expect(isComplete(undefined)).toBe(false);
  expect(settingsThatDiffer(older, own())).toEqual([]);
  expect(settingsThatDiffer(older, longer)).toHaveLength(1);
  // `init` may record another one, once.
  expect(settingsThatDiffer(older, longer, longer)).toEqual([]);
});
