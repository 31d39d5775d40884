import { listedKeyOf } from '../pricing/month-terms';
import type { Catalog } from './catalog';
import agents from './livekit-agents-models.json';

/** The model names of a version of livekit-agents that a catalog neither prices nor aliases. */
export interface UnpricedByAgents {
  readonly package: string;
  readonly version: string;
  /** When the names were read from the package. */
  readonly date: string;
  readonly unpriced: Readonly<
    Record<'stt' | 'llm' | 'tts', { readonly of: number; readonly names: readonly string[] }>
  >;
}

/** Aliases count whatever month they begin in. */
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
