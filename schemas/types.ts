/* Generated from the schemas of this folder by `npm run schemas:types`: change a schema, never this file. */

/**
 * `issued`; or what the month would bring now: `open` (due), `draft` (something has no price yet), `held` (it cannot be priced), `nothing_due`.
 */
export type InvoiceStatus = 'issued' | 'open' | 'draft' | 'held' | 'nothing_due';
/**
 * @minItems 1
 */
export type Meters = string[];
/**
 * @minItems 1
 */
export type Tiers = {
  /**
   * be a decimal string such as "0.0004", of at most 12 digits on either side
   */
  upTo?: string;
  /**
   * be a decimal string such as "0.0004", of at most 12 digits on either side
   */
  amount: string;
}[];
/**
 * One agent session, from the agent's connecting to its leaving.
 */
export type AgentEvent = UsageEvent & UsageAgentV1Json;
export type AgentData = TimedUsage & {
  /**
   * true: the same duration was recorded too.
   */
  recorded?: boolean | null;
  /**
   * true: voice isolation ran for the same duration.
   */
  voiceIsolation?: boolean | null;
  /**
   * be an integer of 0 to 2^53-1, as a number or in decimal digits; null counts as absent
   */
  observabilityEvents?: (number | string) | null;
};
/**
 * have startedAt and endedAt (both, and they win), or durationMs
 */
export type TimedUsage = {
  /**
   * be an RFC 3339 time with an offset and at most 9 digits of a second; null counts as absent
   */
  startedAt?: string | null;
  /**
   * be an RFC 3339 time with an offset and at most 9 digits of a second; null counts as absent
   */
  endedAt?: string | null;
  /**
   * be an integer of 0 to 2^53-1, as a number or in decimal digits; null counts as absent
   */
  durationMs?: (number | string) | null;
} & (
  | {
      durationMs: number | string;
    }
  | {
      startedAt: string;
      endedAt: string;
    }
);
/**
 * One STT stream, one LLM request or one TTS request.
 */
export type InferenceEvent = UsageEvent & UsageInferenceV1Json;
export type InferenceData = (
  | (TimedUsage & {
      kind: 'stt';
    })
  | {
      kind: 'llm';
      /**
       * be an integer of 0 to 2^53-1, as a number or in decimal digits
       */
      inputTokens: number | string;
      /**
       * be an integer of 0 to 2^53-1, as a number or in decimal digits; null counts as absent
       */
      cachedInputTokens?: (number | string) | null;
      /**
       * be an integer of 0 to 2^53-1, as a number or in decimal digits
       */
      outputTokens: number | string;
    }
  | {
      kind: 'tts';
      /**
       * be an integer of 0 to 2^53-1, as a number or in decimal digits
       */
      characters: number | string;
    }
) & {
  kind: 'stt' | 'llm' | 'tts';
  /**
   * be 1 to 128 characters, no control character
   */
  model: string;
};
/**
 * One finished connection (WebRTC, SIP or a connector), stream import or egress.
 */
export type SessionEvent = UsageEvent & UsageSessionV1Json;
export type SessionData = TimedUsage &
  (
    | {
        service: 'webrtc';
      }
    | {
        service: 'sip';
        variant?: 'third_party' | 'us_local' | 'us_toll_free' | null;
      }
    | {
        service: 'ingress';
        variant?: 'transcoded' | 'passthrough' | null;
      }
    | {
        service: 'egress';
        variant?: 'video' | 'audio_only' | 'track' | null;
      }
    | {
        service: 'connector';
        variant?: 'other' | 'whatsapp' | null;
      }
  ) & {
    service: 'webrtc' | 'sip' | 'ingress' | 'egress' | 'connector';
  };
/**
 * One connection's whole data transfer in one direction.
 */
export type TransferEvent = UsageEvent & UsageTransferV1Json;
/**
 * Takes one usage event back. Published to that event's topic, under the same key; its data repeat the event as it was.
 */
export type VoidEvent = UsageEvent & UsageVoidV1Json;

/**
 * What each file of this folder describes.
 */
export interface SchemaFiles {
  'alert.v1.json': Alert;
  'api.v1.json': ApiAnswers;
  'catalog.v1.json': CatalogDocument;
  'close.v1.json': CloseRecord;
  'cursors.v1.json': Cursors;
  'dead-letter.v1.json': DeadLetter;
  'frozen-totals.v1.json': FrozenPart;
  'invoice.v1.json': Invoice;
  'layout.v1.json': Layout;
  'livekit-mapping.v1.json': LiveKitMapping;
  'open-session.v1.json': OpenSession;
  'open-stream.v1.json': OpenStream;
  'project.v1.json': ProjectDocument;
  'revocation.v1.json': Revocation;
  'seller.v1.json': Seller;
  'settings.v1.json': CountingSettings;
  'transfer-count.v1.json': TransferCount;
  'usage-event.v1.json': UsageEvent;
  'usage.agent.v1.json': AgentEvent;
  'usage.inference.v1.json': InferenceEvent;
  'usage.session.v1.json': SessionEvent;
  'usage.transfer.v1.json': TransferEvent;
  'usage.void.v1.json': VoidEvent;
  'verified.v1.json': Verified;
}
/**
 * A project reached a part of what its plan includes, of its inference credits or of its budget. One record of `billing.alerts`, under its id; there is never a second one with the same id.
 */
export interface Alert {
  /**
   * <project>/<month>/<kind>/<name>/<percent>, with the period before the percent where there is one
   */
  id: string;
  project: string;
  /**
   * be a month, YYYY-MM
   */
  month: string;
  /**
   * The plan that the limit is of; for a budget the plan on the month's last day.
   */
  plan: string;
  kind: 'included' | 'credits' | 'budget';
  /**
   * The included quantity, such as `Agent session minutes`.
   */
  name: string;
  /**
   * be days YYYY-MM-DD/YYYY-MM-DD; absent: the whole month
   */
  period?: string;
  percent: 80 | 100;
  /**
   * When it was noticed.
   */
  used: string;
  /**
   * be a decimal string
   */
  limit: string;
  /**
   * minute, GB, event or the currency
   */
  unit: string;
  /**
   * be a time, RFC 3339
   */
  at: string;
}
/**
 * What the HTTP API answers with. Quantities and money are strings, so that no reader rounds them.
 */
export interface ApiAnswers {
  usage?: UsageAnswer;
  quota?: QuotaAnswer;
  invoiceList?: InvoiceList;
  projectsPage?: ProjectsPage;
  invoicesPage?: InvoicesPage;
  budget?: BudgetAnswer;
  alertList?: AlertList;
  explanation?: Explanation;
  acceptedEvents?: AcceptedEvents;
  problem?: Problem;
}
export interface UsageAnswer {
  project: string;
  /**
   * be a month, YYYY-MM
   */
  month: string;
  /**
   * `open` until the month is closed; `draft`: something has no price yet.
   */
  status: 'open' | 'issued' | 'draft' | 'nothing_due';
  plan: PlanInForce;
  currency: string;
  periodStart: string;
  periodEnd: string;
  totals: Totals;
  /**
   * By the day of the usage, YYYY-MM-DD; late usage stands under its own, earlier day. Adds up to `totals`.
   */
  daily: {
    [k: string]: Totals;
  };
  included: QuotaUsageAnswer[];
  /**
   * What the invoice would say now; of an issued month, what it says.
   */
  lines: InvoiceLine[];
  /**
   * be a decimal string
   */
  costSoFar: string;
  /**
   * What gives back more than the month comes to; null where nothing does.
   */
  creditNote: CreditNoteAnswer | null;
  /**
   * The total at the end of the month if it goes on as it began; null for a month that is over.
   */
  forecast: string | null;
  /**
   * Meters the catalog has no price for: the cost leaves them out.
   */
  unpriced: string[];
  freshness: Freshness;
}
/**
 * The plan on the last day of the month so far.
 */
export interface PlanInForce {
  id: string;
  name: string;
  /**
   * A month, before anything else.
   */
  fee: string;
  /**
   * Whether usage beyond the plan is charged, or is to be stopped.
   */
  beyond: 'overage' | 'block';
}
/**
 * By meter, in base units (second, byte, token, character, event); late usage of an earlier month by `<YYYY-MM>@<meter>`, below 0 where it was taken back.
 */
export interface Totals {
  /**
   * be a whole number as a string
   */
  [k: string]: string;
}
/**
 * An included quantity and what was used of it, in `unit`.
 */
export interface QuotaUsageAnswer {
  name: string;
  /**
   * The meters that share it; none for inference credits, which all inference uses.
   */
  meters: string[];
  /**
   * Its days, where the plan changed within the month.
   */
  period?: string;
  /**
   * minute, second, GB, event or the currency
   */
  unit: string;
  /**
   * be a decimal string
   */
  used: string;
  /**
   * be a decimal string
   */
  included: string;
  /**
   * be a decimal string
   */
  remaining: string;
  /**
   * be a decimal string
   */
  over: string;
  /**
   * What becomes of usage beyond it: charged, to be stopped, or free of charge.
   */
  beyond: 'overage' | 'block' | 'free';
}
export interface InvoiceLine {
  kind: 'plan' | 'usage' | 'late' | 'credit' | 'tax';
  meter?: string;
  model?: string;
  /**
   * be a month YYYY-MM or days YYYY-MM-DD/YYYY-MM-DD; absent: the invoice's own month
   */
  period?: string;
  description: string;
  /**
   * month, day, minute, second, GB, token, character, event or the currency
   */
  unit: string;
  /**
   * be a decimal string
   */
  quantity: string;
  /**
   * be a decimal string
   */
  included: string;
  /**
   * be a decimal string
   */
  billable: string;
  /**
   * be a decimal string, or null where the catalog has no price
   */
  unitPrice: string | null;
  /**
   * be a decimal string
   */
  per: string;
  /**
   * be a decimal string, or null where the catalog has no price
   */
  amount: string | null;
}
export interface CreditNoteAnswer {
  /**
   * null while it is not issued
   */
  number: string | null;
  /**
   * be a decimal string
   */
  total: string;
  lines: InvoiceLine[];
}
/**
 * How far behind the log the totals are.
 */
export interface Freshness {
  /**
   * Events of the whole installation that were published by `asOf` and are not counted yet; null while Kafka does not answer.
   */
  behind: number | null;
  /**
   * When the log was last looked at.
   */
  asOf: string | null;
}
/**
 * Whether a new session may be admitted.
 */
export interface QuotaAnswer {
  project: string;
  /**
   * be a month, YYYY-MM
   */
  month: string;
  quotas: QuotaDecision[];
}
export interface QuotaDecision {
  name: string;
  meters: string[];
  unit: string;
  /**
   * be a decimal string
   */
  remaining: string;
  beyond: 'overage' | 'block' | 'free';
  /**
   * false: nothing remains, and the plan blocks.
   */
  admit: boolean;
}
/**
 * Issued invoices and credit notes, the newest first.
 */
export interface InvoiceList {
  invoices: InvoiceSummary[];
  /**
   * Give it as `cursor` to get the next page; null on the last.
   */
  nextCursor: string | null;
}
export interface InvoiceSummary {
  id: string;
  kind: 'invoice' | 'credit_note';
  number: string | null;
  /**
   * be a month, YYYY-MM
   */
  month: string;
  plan: string;
  currency: string;
  issuedAt: string;
  /**
   * be a decimal string
   */
  total: string;
}
/**
 * Projects of the installation, by their ids: those that were set, and those with usage in the month.
 */
export interface ProjectsPage {
  projects: ProjectListItem[];
  /**
   * Give it as `cursor` to get the next page; null on the last. A page may hold fewer items than `limit`, also none.
   */
  nextCursor: string | null;
}
export interface ProjectListItem {
  project: string;
  name: string | null;
  /**
   * be a month, YYYY-MM
   */
  month: string;
  /**
   * The plan on the last day of the month; null if the project's document is damaged.
   */
  plan: string | null;
  /**
   * Whether the project has usage in the month.
   */
  status: 'active' | 'idle';
  /**
   * For each month, in the catalog's currency.
   */
  budget: string | null;
}
/**
 * Invoices and credit notes of the installation: the newest month first, then by project.
 */
export interface InvoicesPage {
  invoices: InvoiceListItem[];
  /**
   * Give it as `cursor` to get the next page; null on the last. A page may hold fewer items than `limit`, also none.
   */
  nextCursor: string | null;
}
export interface InvoiceListItem {
  project: string;
  id: string;
  kind: 'invoice' | 'credit_note';
  status: InvoiceStatus;
  /**
   * null while it is not issued
   */
  number: string | null;
  /**
   * be a month, YYYY-MM
   */
  month: string;
  /**
   * null if the project cannot be read
   */
  plan: string | null;
  currency: string;
  issuedAt: string | null;
  /**
   * null if the project cannot be read
   */
  total: string | null;
  problem?: InvoiceProblemAnswer;
}
/**
 * Why a draft or a held invoice cannot be issued.
 */
export interface InvoiceProblemAnswer {
  code: string;
  detail: string;
  remedy: string;
}
/**
 * A month's invoice as it would be now, with fee, credits and tax, against the project's budget.
 */
export interface BudgetAnswer {
  project: string;
  /**
   * be a month, YYYY-MM
   */
  month: string;
  currency: string;
  /**
   * null without a budget
   */
  budget: string | null;
  /**
   * be a decimal string
   */
  used: string;
  /**
   * Below 0 if the month is over its budget; null without one.
   */
  remaining: string | null;
  /**
   * The total at the end of the month at the current pace; null for a month that is over.
   */
  forecast: string | null;
}
export interface AlertList {
  alerts: Alert[];
}
/**
 * The events behind an invoice, in the order of the log.
 */
export interface Explanation {
  invoice: string;
  lines: ExplainedLine[];
}
export interface ExplainedLine {
  /**
   * The line of the invoice, with its number.
   */
  line: {};
  events: {}[];
  counted: number;
  duplicates: number;
  late: number;
  /**
   * be a whole number as a string
   */
  sum: string;
  /**
   * be a whole number as a string
   */
  quantity: string;
  /**
   * Whether the events add up to the line.
   */
  agrees: boolean;
  /**
   * The ranges that the log no longer holds.
   */
  missing: string[];
}
/**
 * What became of a request's events.
 */
export interface AcceptedEvents {
  /**
   * Events that every in-sync copy of the log holds.
   */
  accepted: number;
  rejected: RejectedEvent[];
}
/**
 * An event of a request that was not taken.
 */
export interface RejectedEvent {
  /**
   * Its place in the request, from 0.
   */
  index: number;
  /**
   * Its `id`, if it has one.
   */
  id?: string;
  /**
   * A reason of a dead letter, or `forbidden`: the token is not for its project.
   */
  reason: string;
  /**
   * The field, its value, and what it must be.
   */
  detail: string;
}
/**
 * What went wrong (RFC 9457). `code` and `type` are stable; texts are not.
 */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail?: string;
  /**
   * What is wrong with each event, where events were posted.
   */
  errors?: RejectedEvent[];
  code:
    | 'BAD_REQUEST'
    | 'EVENTS_REJECTED'
    | 'UNAUTHENTICATED'
    | 'TOKEN_EXPIRED'
    | 'FORBIDDEN'
    | 'NOT_FOUND'
    | 'METHOD_NOT_ALLOWED'
    | 'REQUEST_TIMEOUT'
    | 'PAYLOAD_TOO_LARGE'
    | 'URI_TOO_LONG'
    | 'UNSUPPORTED_MEDIA_TYPE'
    | 'RATE_LIMITED'
    | 'HEADERS_TOO_LARGE'
    | 'INTERNAL'
    | 'KAFKA_UNAVAILABLE'
    | 'STORE_UNAVAILABLE';
}
/**
 * Plans, included quantities and prices. Each row holds from the start of its day `from` in the billing zone until the next row of the same name begins.
 */
export interface CatalogDocument {
  name: string;
  notes?: string[];
  /**
   * be an ISO 4217 code
   */
  currency: string;
  minorDigits: number;
  /**
   * be lower-case letters, digits, _ or -
   */
  defaultPlan: string;
  /**
   * @minItems 1
   */
  plans: PlanRow[];
  allowances: AllowanceRow[];
  rates: RateRow[];
  /**
   * What a rented phone number costs per month, prorated by days.
   */
  phoneNumbers?: PhoneNumberRow[];
  inference: {
    stt: Models;
    llm: {
      /**
       * be a whole number above 0, as a string of at most 12 digits
       */
      per: string;
      models: LlmRow[];
    };
    tts: Models;
    /**
     * Another name of a model, and the model. With `from`, it is one from that month on.
     */
    aliases: {
      [k: string]: string | DatedAlias;
    };
  };
}
export interface PlanRow {
  /**
   * be lower-case letters, digits, _ or -
   */
  plan: string;
  name: string;
  /**
   * be a day, YYYY-MM-DD
   */
  from: string;
  note?: string;
  /**
   * be a decimal string such as "0.0004", of at most 12 digits on either side
   */
  fee: string;
  atQuota: 'overage' | 'block';
  /**
   * be a decimal string such as "0.0004", of at most 12 digits on either side
   */
  inferenceCredits?: string;
  /**
   * be a decimal string such as "0.0004", of at most 12 digits on either side
   */
  minimumSpend?: string;
}
export interface AllowanceRow {
  name: string;
  /**
   * be a day, YYYY-MM-DD
   */
  from: string;
  note?: string;
  meters: Meters;
  included: {
    /**
     * be a decimal string such as "0.0004", of at most 12 digits on either side
     */
    [k: string]: string;
  };
}
export interface RateRow {
  meter: string;
  /**
   * be a day, YYYY-MM-DD
   */
  from: string;
  note?: string;
  /**
   * be a whole number above 0, as a string of at most 12 digits
   */
  per?: string;
  /**
   * A flat amount, tiers, or an amount for each package begun.
   */
  price?:
    | string
    | {
        graduated: Tiers;
      }
    | {
        volume: Tiers;
      }
    | {
        /**
         * be a whole number above 0, as a string of at most 12 digits
         */
        package: string;
        /**
         * be a decimal string such as "0.0004", of at most 12 digits on either side
         */
        amount: string;
      };
  plans?: PricesByPlan;
}
export interface PricesByPlan {
  /**
   * A flat amount, tiers, or an amount for each package begun.
   */
  [k: string]:
    | string
    | {
        graduated: Tiers;
      }
    | {
        volume: Tiers;
      }
    | {
        /**
         * be a whole number above 0, as a string of at most 12 digits
         */
        package: string;
        /**
         * be a decimal string such as "0.0004", of at most 12 digits on either side
         */
        amount: string;
      };
}
export interface PhoneNumberRow {
  kind: 'usLocal' | 'usTollFree';
  /**
   * be a day, YYYY-MM-DD
   */
  from: string;
  note?: string;
  plans: {
    /**
     * be a decimal string such as "0.0004", of at most 12 digits on either side
     */
    [k: string]: string;
  };
  included?: {
    [k: string]: number;
  };
}
export interface Models {
  /**
   * be a whole number above 0, as a string of at most 12 digits
   */
  per: string;
  models: ModelRow[];
}
export interface ModelRow {
  model: string;
  /**
   * be a day, YYYY-MM-DD
   */
  from: string;
  note?: string;
  /**
   * A flat amount, tiers, or an amount for each package begun.
   */
  price:
    | string
    | {
        graduated: Tiers;
      }
    | {
        volume: Tiers;
      }
    | {
        /**
         * be a whole number above 0, as a string of at most 12 digits
         */
        package: string;
        /**
         * be a decimal string such as "0.0004", of at most 12 digits on either side
         */
        amount: string;
      };
  plans?: PricesByPlan;
}
export interface LlmRow {
  model: string;
  /**
   * be a day, YYYY-MM-DD
   */
  from: string;
  note?: string;
  /**
   * A flat amount, tiers, or an amount for each package begun.
   */
  input:
    | string
    | {
        graduated: Tiers;
      }
    | {
        volume: Tiers;
      }
    | {
        /**
         * be a whole number above 0, as a string of at most 12 digits
         */
        package: string;
        /**
         * be a decimal string such as "0.0004", of at most 12 digits on either side
         */
        amount: string;
      };
  /**
   * A flat amount, tiers, or an amount for each package begun.
   */
  cachedInput?:
    | string
    | {
        graduated: Tiers;
      }
    | {
        volume: Tiers;
      }
    | {
        /**
         * be a whole number above 0, as a string of at most 12 digits
         */
        package: string;
        /**
         * be a decimal string such as "0.0004", of at most 12 digits on either side
         */
        amount: string;
      };
  /**
   * A flat amount, tiers, or an amount for each package begun.
   */
  output:
    | string
    | {
        graduated: Tiers;
      }
    | {
        volume: Tiers;
      }
    | {
        /**
         * be a whole number above 0, as a string of at most 12 digits
         */
        package: string;
        /**
         * be a decimal string such as "0.0004", of at most 12 digits on either side
         */
        amount: string;
      };
  plans?: {
    [k: string]: LlmPrices;
  };
}
export interface LlmPrices {
  /**
   * A flat amount, tiers, or an amount for each package begun.
   */
  input:
    | string
    | {
        graduated: Tiers;
      }
    | {
        volume: Tiers;
      }
    | {
        /**
         * be a whole number above 0, as a string of at most 12 digits
         */
        package: string;
        /**
         * be a decimal string such as "0.0004", of at most 12 digits on either side
         */
        amount: string;
      };
  /**
   * A flat amount, tiers, or an amount for each package begun.
   */
  cachedInput?:
    | string
    | {
        graduated: Tiers;
      }
    | {
        volume: Tiers;
      }
    | {
        /**
         * be a whole number above 0, as a string of at most 12 digits
         */
        package: string;
        /**
         * be a decimal string such as "0.0004", of at most 12 digits on either side
         */
        amount: string;
      };
  /**
   * A flat amount, tiers, or an amount for each package begun.
   */
  output:
    | string
    | {
        graduated: Tiers;
      }
    | {
        volume: Tiers;
      }
    | {
        /**
         * be a whole number above 0, as a string of at most 12 digits
         */
        package: string;
        /**
         * be a decimal string such as "0.0004", of at most 12 digits on either side
         */
        amount: string;
      };
}
export interface DatedAlias {
  model: string;
  /**
   * be a day, YYYY-MM-DD
   */
  from: string;
  note?: string;
}
/**
 * The close of a month: all that a repeat needs to end the same. A record of `billing.closes` under the month.
 */
export interface CloseRecord {
  /**
   * be a month YYYY-MM
   */
  month: string;
  /**
   * When the month was first closed, in UTC. Invoices of its first run carry it as `issuedAt`, so that a repeat gives the same bytes.
   */
  closedAt: string;
  /**
   * Shard -> topic -> the offset after the last event that counts as in time.
   */
  cursors: {
    [k: string]: Cursors;
  };
  /**
   * Topic -> the id of the topic that these offsets belong to; absent if the cluster has no ids.
   */
  topicIds?: {
    [k: string]: string;
  };
  /**
   * A run came to its end: everyone who could be invoiced is. Drafts and held projects are left, and are dated when they are issued. Absent while the first run is not through, and once nothing is left.
   */
  issued?: true;
  /**
   * All invoices of the month are issued: none was a draft, and the close was not killed before its end.
   */
  completed?: true;
}
/**
 * The next offset of each topic in one shard. A record of `billing.settings` under `begin/<shard>`: where its first cursors were.
 */
export interface Cursors {
  [k: string]: number;
}
/**
 * An event that could not be counted, with its reason and its place. Its key is <topic>/<partition>/<offset>; after a crash it may stand twice, so count keys.
 */
export interface DeadLetter {
  /**
   * The first rule that the event breaks.
   */
  reason:
    | 'too_large'
    | 'malformed_json'
    | 'schema_violation'
    | 'wrong_type'
    | 'negative_duration'
    | 'from_the_future'
    | 'too_old'
    | 'implausible'
    | 'void_mismatch';
  /**
   * Names the field, the value and the rule.
   */
  detail: string;
  topic: string;
  partition: number;
  /**
   * be an offset in decimal digits
   */
  offset: string;
  /**
   * The record's timestamp, in ms since 1970.
   */
  timestamp: number;
  /**
   * What is not UTF-8 stands as base64.
   */
  key:
    | (string | null)
    | {
        base64: string;
      };
  /**
   * The record's value; of a too_large one the first 64 KiB.
   */
  value: string | null;
  /**
   * All values of a header that is given more than once.
   */
  headers: {
    [k: string]:
      | string
      | null
      | {
          base64: string;
        }
      | (
          | (string | null)
          | {
              base64: string;
            }
        )[];
  };
  /**
   * The parts of the event that the letter does not hold whole; absent if it holds all. Such an event cannot be replayed.
   */
  missing?: ('value' | 'key' | 'headers')[];
  /**
   * When its event was published again, in UTC; absent if it never was.
   */
  replayedAt?: string;
}
/**
 * A part of a project's usage in one shard in a closed month. A record of `billing.totals` under `<month>/<shard>/<project>/<part>`.
 */
export interface FrozenPart {
  /**
   * be a month YYYY-MM
   */
  month: string;
  shard: number;
  project: string;
  /**
   * Counts from 0: a project with very many models has more parts than one message holds.
   */
  part: number;
  /**
   * Pairs of a meter, or `<month>@<meter>`, and an integer in base units. Pairs, because a model may be called `__proto__`.
   */
  totals: [string, string][];
  /**
   * Pairs of `<day>/<meter>` and an integer in base units.
   */
  daily: [string, string][];
}
/**
 * One project's month, or a credit note of it. Money has the currency's digits; `total` is the sum of all lines. One record of `billing.invoices`.
 */
export interface Invoice {
  /**
   * be <project>-<YYYY-MM>, of a credit note <project>-<YYYY-MM>-CN
   */
  id: string;
  /**
   * Absent: an invoice.
   */
  kind?: 'credit_note';
  /**
   * <project>-<0001...>, of a credit note <project>-CN<0001...>; null while it is not issued
   */
  number: string | null;
  project: string;
  /**
   * The plan on the last day of the month.
   */
  plan: string;
  /**
   * be a month, YYYY-MM
   */
  month: string;
  /**
   * The earlier months that a credit note corrects, in order.
   */
  corrects?: Corrected[];
  /**
   * be an ISO 4217 code
   */
  currency: string;
  seller?: Seller;
  buyer?: Buyer;
  /**
   * be a time, RFC 3339
   */
  issuedAt: string;
  /**
   * be a time, RFC 3339
   */
  periodStart: string;
  /**
   * be a time, RFC 3339
   */
  periodEnd: string;
  lines: InvoiceLine[];
  /**
   * be a decimal string
   */
  subtotal: string;
  /**
   * be a decimal string
   */
  credits: string;
  /**
   * be a decimal string
   */
  tax: string;
  /**
   * be a decimal string
   */
  total: string;
}
export interface Corrected {
  /**
   * be a month, YYYY-MM
   */
  month: string;
  /**
   * The number of its invoice; absent if it had none.
   */
  invoice?: string;
}
/**
 * Who issues the invoices: the file that TALLYMAN_SELLER names.
 */
export interface Seller {
  name: string;
  email?: string;
  /**
   * @maxItems 8
   */
  address?: string[];
  taxId?: string;
  /**
   * Stands under the total: how and until when to pay, say.
   */
  note?: string;
}
/**
 * The project's profile when it was issued.
 */
export interface Buyer {
  name?: string;
  email?: string;
  address?: string[];
  taxId?: string;
}
/**
 * How many partitions of each usage topic are counted, and in how many shards. A record of `billing.settings` under `layout`. `tallyman grow` writes it, and `tallyman init` after the ledger was lost. Without one, both are the number of `begin/<shard>` records.
 */
export interface Layout {
  /**
   * It never changes. Partition p is counted in shard p mod shards.
   */
  shards: number;
  /**
   * A multiple of the number of shards.
   */
  partitions: number;
  /**
   * One for each time that partitions were added.
   */
  additions?: {
    /**
     * The first partition that was added.
     */
    from: number;
    /**
     * Topic -> partition -> where its log ended before. The added partitions are counted once the others are counted up to there.
     */
    ends: {
      [k: string]: number[];
    };
  }[];
}
/**
 * How LiveKit's webhooks become usage: the file that TALLYMAN_LIVEKIT_MAPPING names. Every field has a default.
 */
export interface LiveKitMapping {
  /**
   * be the `source` of every event, without blanks; by default /livekit. Changed, what was counted before would count again.
   */
  source?: string;
  /**
   * One project for every room.
   */
  project?: string;
  /**
   * Room name -> project.
   */
  rooms?: {
    /**
     * be a project id: 1 to 128 letters, digits, _, - or ., no . first
     */
    [k: string]: string;
  };
  /**
   * be a regular expression whose first group is the project; by default ^([A-Za-z0-9_-]+)[.:/]
   */
  roomPattern?: string;
  /**
   * Whether {"project": ...} in a room's metadata names its project.
   */
  usesRoomMetadata?: boolean;
  /**
   * be a project id: 1 to 128 letters, digits, _, - or ., no . first
   */
  unattributed?: string;
  /**
   * sip.trunkID or sip.trunkPhoneNumber -> variant; others are third_party.
   */
  sipVariants?: {
    [k: string]: 'third_party' | 'us_local' | 'us_toll_free';
  };
  /**
   * Whether an agent's connection is agent session time (the default) or WebRTC time.
   */
  agentsAre?: 'agent' | 'webrtc';
  /**
   * Whether the connection of a connector, such as WhatsApp, is connector time (the default) or WebRTC time.
   */
  connectorsAre?: 'connector' | 'webrtc';
  /**
   * Which webhook holds an agent's usage: its participant's leaving (the default), or the end of its job, which LiveKit Cloud alone sends.
   */
  agentUsageFrom?: 'participant' | 'job';
}
/**
 * A LiveKit session whose end has not arrived: enough to make the webhook that would report it. Kept in Redis.
 */
export interface OpenSession {
  room: {
    sid?: string;
    name?: string;
    metadata?: string;
  };
  /**
   * As in the webhook of its start.
   */
  participant: {};
  lastSeenMs: number;
  /**
   * When the server was first queried since then and did not list it.
   */
  missedAtMs?: number;
}
/**
 * A LiveKit egress or ingress whose end has not arrived: enough to make the webhook that would report it. Kept in Redis.
 */
export interface OpenStream {
  kind: 'egress' | 'ingress';
  /**
   * egressInfo or ingressInfo of its webhooks, without what its usage does not need.
   */
  info: {};
  lastSeenMs: number;
  /**
   * When the server was first queried since then and did not list it as active.
   */
  missedAtMs?: number;
}
/**
 * What billing knows of a project: its plan history, who its invoices are made out to, and corrections. One record of `billing.projects`.
 */
export interface ProjectDocument {
  /**
   * be 1-128 letters, digits, _, - or ., no . first
   */
  project: string;
  /**
   * Each plan from the start of a day on. Days before the first have the catalog's default plan.
   */
  plans: PlanEntry[];
  profile?: {
    name?: string;
    email?: string;
    /**
     * @maxItems 8
     */
    address?: string[];
    taxId?: string;
    /**
     * be an ISO 4217 code: that of the catalog, in which invoices are written
     */
    currency?: string;
    /**
     * be an amount of money a month such as "500.00", in the digits of the currency
     */
    budget?: string;
    /**
     * How many phone numbers the project rents, each row from the start of its day on.
     */
    phoneNumbers?: PhoneNumbers[];
    taxes?: Tax[];
  };
  /**
   * Corrections in the customer's favour, each against the invoice of its month, after tax.
   */
  credits?: Credit[];
}
export interface PlanEntry {
  /**
   * be lower-case letters, digits, _ or -
   */
  plan: string;
  /**
   * be a day, YYYY-MM-DD
   */
  from: string;
  overrides?: Overrides;
}
/**
 * What was agreed for this project alone, in the place of the plan's own.
 */
export interface Overrides {
  /**
   * be a decimal string such as "0.0004", of at most 12 digits on either side
   */
  fee?: string;
  atQuota?: 'overage' | 'block';
  /**
   * be a decimal string such as "0.0004", of at most 12 digits on either side
   */
  inferenceCredits?: string;
  /**
   * be a decimal string such as "0.0004", of at most 12 digits on either side
   */
  minimumSpend?: string;
  allowances?: {
    name: string;
    meters?: Meters;
    /**
     * be a decimal string such as "0.0004", of at most 12 digits on either side
     */
    included: string;
  }[];
  rates?: {
    meter: string;
    model?: string;
    /**
     * be a whole number above 0, as a string of at most 12 digits
     */
    per: string;
    /**
     * A flat amount, tiers, or an amount for each package begun.
     */
    price:
      | string
      | {
          graduated: Tiers;
        }
      | {
          volume: Tiers;
        }
      | {
          /**
           * be a whole number above 0, as a string of at most 12 digits
           */
          package: string;
          /**
           * be a decimal string such as "0.0004", of at most 12 digits on either side
           */
          amount: string;
        };
  }[];
  phoneNumbers?: {
    kind: 'usLocal' | 'usTollFree';
    /**
     * be a decimal string such as "0.0004", of at most 12 digits on either side
     */
    price?: string;
    /**
     * be a whole number of phone numbers, 0 to 1000000
     */
    included?: number;
  }[];
}
export interface PhoneNumbers {
  /**
   * be a day, YYYY-MM-DD
   */
  from: string;
  /**
   * be a whole number of phone numbers, 0 to 1000000
   */
  usLocal?: number;
  /**
   * be a whole number of phone numbers, 0 to 1000000
   */
  usTollFree?: number;
}
export interface Tax {
  /**
   * be a day, YYYY-MM-DD
   */
  from: string;
  name: string;
  /**
   * be a fraction below 1 such as "0.21" for 21 %
   */
  rate: string;
}
export interface Credit {
  /**
   * be a month, YYYY-MM
   */
  month: string;
  description: string;
  /**
   * be an amount of money such as "12.50", in the digits of the currency
   */
  amount: string;
}
/**
 * Tokens that are refused. A record of `billing.settings` under `revoked/token/<id>`, or under `revoked/subject/<subject>` for all tokens of a subject that were made until then.
 */
export interface Revocation {
  /**
   * be a time, RFC 3339
   */
  revokedAt: string;
}
/**
 * The settings that decide what an event counts. A record of `billing.settings` under `settings`; one of an older version lacks newer settings. Limits are in milliseconds, so that `60m` and `1h` are the same.
 */
export interface CountingSettings {
  TALLYMAN_BILLING_ZONE?: string;
  TALLYMAN_ROUNDING?: string;
  TALLYMAN_FUTURE_LIMIT?: string;
  TALLYMAN_PAST_LIMIT?: string;
  TALLYMAN_DURATION_LIMIT?: string;
}
/**
 * What `tallyman bridge livekit-transfer` has counted at one address. Kept in Redis.
 */
export interface TransferCount {
  day: string;
  atMs: number;
  bytes: BytesByNode;
  /**
   * The counters as they were last read. Absent while the node had none.
   */
  seen?: {
    node: string;
    downstream: string;
    upstream: string;
  };
  /**
   * Days that are over and may not be in Kafka yet. They do not change.
   */
  finished: TransferDay[];
}
/**
 * By node, decimal integers.
 */
export interface BytesByNode {
  [k: string]: {
    downstream: string;
    upstream: string;
  };
}
/**
 * A day in the billing zone, and what was transferred in it.
 */
export interface TransferDay {
  day: string;
  /**
   * When it was last read, in that day.
   */
  atMs: number;
  bytes: BytesByNode;
}
/**
 * The CloudEvents 1.0 attributes of every usage event: members of the message value, or `ce_` headers in binary mode. Others are ignored.
 */
export interface UsageEvent {
  specversion: '1.0';
  /**
   * With topic, project and source the identity of the event: the same again is a duplicate, whatever its time.
   */
  id: string;
  /**
   * be 1 to 256 characters, no blank and no control character; who reports the event
   */
  source: string;
  /**
   * Each topic takes one.
   */
  type: string;
  /**
   * be a project id: 1 to 128 letters, digits, _, - or ., no . first
   */
  subject: string;
  /**
   * When the usage ended. It decides the month and the rounding policy.
   */
  time: string;
}
export interface UsageAgentV1Json {
  type: 'usage.agent.v1';
  data: AgentData;
}
export interface UsageInferenceV1Json {
  type: 'usage.inference.v1';
  data: InferenceData;
}
export interface UsageSessionV1Json {
  type: 'usage.session.v1';
  data: SessionData;
}
export interface UsageTransferV1Json {
  type: 'usage.transfer.v1';
  data: TransferData;
}
export interface TransferData {
  service: 'webrtc' | 'sip' | 'ingress' | 'egress' | 'connector';
  /**
   * downstream: out of the cloud, to its users.
   */
  direction: 'downstream' | 'upstream';
  /**
   * be an integer of 0 to 2^53-1, as a number or in decimal digits
   */
  bytes: number | string;
}
export interface UsageVoidV1Json {
  type: 'usage.void.v1';
  data: VoidData;
}
export interface VoidData {
  /**
   * be 1 to 256 characters, no blank and no control character; who reports the event
   */
  source: string;
  /**
   * With topic, project and source the identity of the event: the same again is a duplicate, whatever its time.
   */
  id: string;
  /**
   * The event's type. Each topic takes its own.
   */
  type: 'usage.session.v1' | 'usage.transfer.v1' | 'usage.agent.v1' | 'usage.inference.v1';
  /**
   * be an RFC 3339 time with an offset and at most 9 digits of a second, such as 2026-10-14T09:31:10.2Z
   */
  time: string;
  /**
   * The event's data, by the schema of its type.
   */
  data: {};
}
/**
 * The outcome of the last `tallyman verify` of a month. Kept in Redis.
 */
export interface Verified {
  /**
   * be a month YYYY-MM
   */
  month: string;
  /**
   * be a time, RFC 3339
   */
  verifiedAt: string;
  result: 'equal' | 'different' | 'not_judged';
  differences: number;
  /**
   * Duplicates whose data differs from the first event, which holds.
   */
  conflicts: number;
  /**
   * Those of them that would have counted otherwise.
   */
  conflictsThatCount: number;
}
