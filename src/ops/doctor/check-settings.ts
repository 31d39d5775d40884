import type { Context } from '../../installation/context';
import { countingSettings, readCountingRecord, settingsThatDiffer } from '../../installation/settings';
import type { Finding } from '../../lib/finding';

/** Compares the recorded settings with this environment's. */
export async function checkSettings({ config, kafka }: Context): Promise<Finding[]> {
  const { settings } = await readCountingRecord(kafka(), config.prefix);
  if (settings === undefined) {
    return [
      {
        level: 'warning',
        subject: 'settings',
        problem:
          'zone, rounding and limits are not recorded, so a consumer with other settings would not be refused',
        remedy: 'tallyman init (it changes nothing else)',
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
