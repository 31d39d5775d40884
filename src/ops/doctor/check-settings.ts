import type { Context } from '../../installation/context';
import {
  countingSettings,
  readCountingRecord,
  settingsThatDiffer,
} from '../../installation/recorded-settings';
import type { Finding } from '../../lib/finding';

/** Compares the recorded settings with this environment's. */
export async function checkSettings({ config, kafka }: Context): Promise<Finding[]> {
  const { settings } = await readCountingRecord(kafka(), config.prefix);
  if (settings === undefined) {
    return [
      {
        level: 'error',
        subject: 'settings',
        problem: 'billing.settings holds no zone, rounding and limits, so no consumer starts',
        remedy:
          'restore the topic, or set the old values and run `tallyman init --record-settings`; see SETTINGS_MISSING in docs/operating/repair.md',
      },
    ];
  }
  return settingsThatDiffer(settings, countingSettings(config)).map((problem) => ({
    level: 'error',
    subject: 'settings',
    problem: `${problem}, so consumers with this environment refuse to start`,
    remedy: 'restore the environment',
  }));
}
