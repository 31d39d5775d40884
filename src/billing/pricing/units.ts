import { splitMeterKey, type Meter } from '../../rating/meters';
import { BYTES_PER_GB } from '../../rating/rounding';
import { Decimal } from './decimal';

/** What a price and an invoice line count in. `size` is the number of base units (as totals hold them) in one. */
export interface BillingUnit {
  readonly name: string;
  readonly size: Decimal;
}

const unit = (name: string, size: string | number): BillingUnit => ({ name, size: new Decimal(size) });

export const second = unit('second', 1);
const minute = unit('minute', 60);
/** 10^9 bytes, as the price page counts; 2^30 would make every gigabyte 7 % cheaper. */
const gigabyte = unit('GB', BYTES_PER_GB);
const event = unit('event', 1);
const token = unit('token', 1);
const character = unit('character', 1);

/** Every meter in the order an invoice lists them: its unit, and its name for whoever pays. */
const meters: Readonly<Record<Meter, { readonly unit: BillingUnit; readonly label: string }>> = {
  'agent.session': { unit: minute, label: 'Agent sessions' },
  'agent.recording': { unit: minute, label: 'Agent session recordings' },
  'agent.events': { unit: event, label: 'Agent observability events' },
  'session.webrtc': { unit: minute, label: 'WebRTC participants' },
  'session.sip.third_party': { unit: minute, label: 'SIP, third-party trunk' },
  'session.sip.us_local': { unit: minute, label: 'SIP, US local number' },
  'session.sip.us_toll_free': { unit: minute, label: 'SIP, US toll-free number' },
  'session.ingress.transcoded': { unit: minute, label: 'Stream import, transcoded' },
  'session.ingress.passthrough': { unit: minute, label: 'Stream import, passed through' },
  'session.egress.video': { unit: minute, label: 'Recording and export, video' },
  'session.egress.audio_only': { unit: minute, label: 'Recording and export, audio only' },
  'session.egress.track': { unit: minute, label: 'Recording and export, single track' },
  'transfer.downstream': { unit: gigabyte, label: 'Downstream data transfer' },
  'transfer.upstream': { unit: gigabyte, label: 'Upstream data transfer' },
  'inference.stt': { unit: second, label: 'Speech-to-text' },
  'inference.llm.input': { unit: token, label: 'LLM input' },
  'inference.llm.cached_input': { unit: token, label: 'LLM cached input' },
  'inference.llm.output': { unit: token, label: 'LLM output' },
  'inference.tts': { unit: character, label: 'Text-to-speech' },
};

export const meterNames: readonly string[] = Object.keys(meters);

export const isMeter = (meter: string): meter is Meter => Object.hasOwn(meters, meter);

export const isInference = (meter: string): boolean => meter.startsWith('inference.');

/** The unit of a meter. One we do not know is counted in base units: it has no price, and its line says so. */
export function unitOf(meter: string): BillingUnit {
  return isMeter(meter) ? meters[meter].unit : unit('unit', 1);
}

export function labelOf(meter: string, model?: string): string {
  const label = isMeter(meter) ? meters[meter].label : meter;
  return model === undefined ? label : `${label}, ${model}`;
}

/** Meter keys in the order of an invoice's usage lines: by the table above, then by model, code unit by code unit. */
export function inInvoiceOrder(keys: Iterable<string>): string[] {
  const placed = Array.from(keys, (key) => ({
    key,
    place: placeOf.get(splitMeterKey(key).meter) ?? Infinity,
  }));
  placed.sort((a, b) => (a.place === b.place ? (a.key < b.key ? -1 : 1) : a.place - b.place));
  return placed.map(({ key }) => key);
}

const placeOf: ReadonlyMap<string, number> = new Map(meterNames.map((meter, place) => [meter, place]));
