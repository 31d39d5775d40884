import { METERS, type MeterRow } from './meter-table';

export type Meter = keyof typeof METERS;

/** In the order of an invoice. */
export const meterNames = Object.keys(METERS) as readonly Meter[];

export const isMeter = (meter: string): meter is Meter => Object.hasOwn(METERS, meter);

/** Inference is counted, priced and listed by model. */
export const isInference = (meter: string): boolean => meter.startsWith('inference.');

/** Undefined for a meter that a later version has counted. */
export function meterRow(meter: string): MeterRow | undefined {
  return isMeter(meter) ? METERS[meter] : undefined;
}

/** The name of a total, such as `session.webrtc` or `inference.stt/deepgram/nova-3`. */
export function meterKey(meter: Meter, model?: string): string {
  return model === undefined ? meter : `${meter}/${model}`;
}

/** A model may contain slashes, so only the first one separates. */
export function splitMeterKey(key: string): { meter: string; model?: string } {
  const slash = key.indexOf('/');
  return slash < 0 ? { meter: key } : { meter: key.slice(0, slash), model: key.slice(slash + 1) };
}
