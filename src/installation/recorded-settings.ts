import type { CountingSettings as RecordedSettings, Cursors, Layout } from '../../schemas/types';
import type { Config } from '../lib/config';
import { TallymanError } from '../lib/errors';
import { DEFAULT_DURATION_LIMIT } from '../lib/settings-table';
import { parseDuration } from '../lib/text/duration-text';
import type { KafkaClient } from '../kafka/client';
import { appendLedger, readLedger } from '../kafka/ledger/ledger';
import type { Publisher } from '../kafka/producer';
import { topicName } from '../kafka/topics/topics';

/** The settings on which the count of an event depends. */
export type CountingSettings = Readonly<Required<RecordedSettings>>;

/** The contents of `billing.settings`: what a recount of the log needs besides the log. */
export interface CountingRecord {
  /** Undefined if `init` did not record any yet. Settings of an older version lack newer ones. */
  readonly settings: RecordedSettings | undefined;
  /**
   * Shard -> topic -> the offset at which its first cursor was created. What is before was never
   * counted.
   */
  readonly begins: ReadonlyMap<number, ReadonlyMap<string, number>>;
  /** Undefined if partitions were never added: see `layoutOf`. */
  readonly layout: Layout | undefined;
}

const LAYOUT_KEY = 'layout';
const SETTINGS_KEY = 'settings';
const BEGIN_KEY = /^begin\/(\d+)$/;

export function countingSettings({
  billingZone,
  rounding,
  limits,
}: Pick<Config, 'billingZone' | 'rounding' | 'limits'>): CountingSettings {
  return {
    TALLYMAN_BILLING_ZONE: billingZone,
    TALLYMAN_ROUNDING: rounding,
    TALLYMAN_FUTURE_LIMIT: `${limits.futureMs}ms`,
    TALLYMAN_PAST_LIMIT: `${limits.pastMs}ms`,
    TALLYMAN_DURATION_LIMIT: `${limits.durationMs}ms`,
  };
}

export async function readCountingRecord(client: KafkaClient, prefix: string): Promise<CountingRecord> {
  let settings: RecordedSettings | undefined;
  let layout: Layout | undefined;
  const begins = new Map<number, ReadonlyMap<string, number>>();
  await readLedger(client, prefix, 'billing.settings', ({ key, document }) => {
    const [, shard] = BEGIN_KEY.exec(key) ?? [];
    if (key === SETTINGS_KEY) settings = (document as RecordedSettings | null) ?? undefined;
    else if (key === LAYOUT_KEY) layout = (document as Layout | null) ?? undefined;
    else if (shard === undefined) return;
    else if (document === null) begins.delete(Number(shard));
    else begins.set(Number(shard), new Map(Object.entries(document as Cursors)));
  });
  return { settings, begins, layout };
}

export async function recordSettings(
  publisher: Publisher,
  prefix: string,
  settings: CountingSettings,
): Promise<void> {
  await appendLedger(publisher, topicName(prefix, 'billing.settings'), [
    { key: SETTINGS_KEY, value: JSON.stringify(settings) },
  ]);
}

export async function recordLayout(publisher: Publisher, prefix: string, layout: Layout): Promise<void> {
  await appendLedger(publisher, topicName(prefix, 'billing.settings'), [
    { key: LAYOUT_KEY, value: JSON.stringify(layout) },
  ]);
}

export async function recordBegins(
  publisher: Publisher,
  prefix: string,
  begins: CountingRecord['begins'],
): Promise<void> {
  const records = [...begins].map(([shard, cursors]) => ({
    key: `begin/${shard}`,
    value: JSON.stringify(Object.fromEntries(cursors)),
  }));
  await appendLedger(publisher, topicName(prefix, 'billing.settings'), records);
}

/**
 * The settings of an installation whose `init` recorded nothing, as in older versions. They are the
 * same for every process, whatever its environment.
 */
const UNRECORDED: RecordedSettings = {
  TALLYMAN_DURATION_LIMIT: `${parseDuration(DEFAULT_DURATION_LIMIT)}ms`,
};

/** Such as `TALLYMAN_ROUNDING is per-second and was per-minute`, for each setting that differs. */
export function settingsThatDiffer(
  recorded: CountingRecord['settings'],
  own: CountingSettings,
  unrecorded = UNRECORDED,
): string[] {
  if (recorded === undefined) return [];
  const was = { ...unrecorded, ...recorded };
  const names = Object.keys(own) as (keyof CountingSettings)[];
  return names
    .filter((name) => own[name] !== was[name])
    .map((name) => `${name} is ${own[name]} and was ${was[name]}`);
}

export function isComplete(settings: CountingRecord['settings']): settings is CountingSettings {
  return settings !== undefined && Object.keys(UNRECORDED).every((name) => name in settings);
}

/**
 * Refuses an environment that would count differently from the recorded one. Half of a month would
 * follow one rule and half another, and no replay would give the same result again. If nothing is
 * recorded, no environment can be compared, so every one is refused.
 *
 * @throws TallymanError `OTHER_SETTINGS`, `SETTINGS_MISSING`
 */
export async function checkCountingSettings(
  client: KafkaClient,
  config: Pick<Config, 'prefix' | 'billingZone' | 'rounding' | 'limits'>,
): Promise<CountingRecord> {
  const record = await readCountingRecord(client, config.prefix);
  if (record.settings === undefined) throw settingsMissing();
  refuseOtherSettings(record, config);
  return record;
}

export function settingsMissing(): TallymanError {
  return new TallymanError(
    'SETTINGS_MISSING',
    'billing.settings holds no settings, so nothing shows by which zone, rounding and limits was counted. Restore the ' +
      'topic; see SETTINGS_MISSING in docs/operating/repair.md. Before the first `tallyman init`, run that.',
  );
}

/**
 * @param unrecorded the settings that an older version did not record
 * @throws TallymanError `OTHER_SETTINGS`
 */
export function refuseOtherSettings(
  { settings }: CountingRecord,
  config: Pick<Config, 'billingZone' | 'rounding' | 'limits'>,
  unrecorded = UNRECORDED,
): void {
  const differing = settingsThatDiffer(settings, countingSettings(config), unrecorded);
  if (differing.length === 0) return;
  throw new TallymanError(
    'OTHER_SETTINGS',
    `This installation counts by other settings: ${differing.join('; ')}. Restore the environment. Other settings need ` +
      'an installation of their own (TALLYMAN_PREFIX).',
    { differing },
  );
}
