import { listedKeyOf } from '../pricing/prices-by-day';
import type { Catalog } from './catalog';
import agents from './livekit-agents-models.json';

/**
 * The model names in a version of livekit-agents for which a catalog has neither price nor alias.
 */
export interface UnpricedByAgents {
  readonly package: string;
  readonly version: string;
  /** The day on which the names were read from the package. */
  readonly date: string;
  readonly unpriced: Readonly<
    Record<'stt' | 'llm' | 'tts', { readonly of: number; readonly names: readonly string[] }>
  >;
}

/** Later than any alias begins. */
const EVERY_MONTH = '9999-12';

export function unpricedByAgents(catalog: Pick<Catalog, 'rates' | 'aliases'>): UnpricedByAgents {
  const of = (meter: string, names: readonly string[]): UnpricedByAgents['unpriced']['stt'] => ({
    of: names.length,
    names: names.filter((name) => !catalog.rates.has(listedKeyOf(catalog, `${meter}/${name}`, EVERY_MONTH))),
  });
  const { stt, llm, tts, ...read } = agents;
  const unpriced = {
    stt: of('inference.stt', stt),
    llm: of('inference.llm.input', llm),
    tts: of('inference.tts', tts),
  };
  return { ...read, unpriced };
}
