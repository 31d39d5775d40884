import { dataCheck } from './checked-data';
import { durationOf, type TimedUsage } from './timed-usage';
import { reject, type Rejection, type UsageConsumer, type Usages } from './usage-consumer';

const check = dataCheck('usage.inference.v1');

type InferenceData = { readonly model: string } & (
  | ({ readonly kind: 'stt' } & TimedUsage)
  | LlmData
  | { readonly kind: 'tts'; readonly characters: number | string }
);

interface LlmData {
  readonly kind: 'llm';
  readonly model: string;
  readonly inputTokens: number | string;
  readonly cachedInputTokens?: number | string | null;
  readonly outputTokens: number | string;
}

/** Inference: STT connection time, LLM tokens and TTS characters, each by model. */
export const inferenceConsumer: UsageConsumer = {
  name: 'inference',
  topic: 'usage.inference',
  eventType: 'usage.inference.v1',
  usagesOf(data) {
    const rejection = check(data);
    if (rejection) return rejection;
    const inference = data as InferenceData;
    const { model } = inference;
    switch (inference.kind) {
      case 'stt': {
        const duration = durationOf(inference);
        return 'ok' in duration
          ? duration
          : { ok: true, usages: [{ meter: 'inference.stt', model, used: duration }] };
      }
      case 'llm':
        return llmUsages(inference);
      case 'tts':
        return { ok: true, usages: [{ meter: 'inference.tts', model, used: Number(inference.characters) }] };
    }
  },
};

/** Cached tokens are part of the input tokens, and have a price of their own: the two meters share none. */
function llmUsages({ model, inputTokens, cachedInputTokens, outputTokens }: LlmData): Usages | Rejection {
  const input = Number(inputTokens);
  const cached = Number(cachedInputTokens ?? 0);
  if (cached > input) {
    return reject(
      'schema_violation',
      `data.cachedInputTokens is ${cached} and must be at most data.inputTokens, ${input}`,
    );
  }
  return {
    ok: true,
    usages: [
      { meter: 'inference.llm.input', model, used: input - cached },
      { meter: 'inference.llm.cached_input', model, used: cached },
      { meter: 'inference.llm.output', model, used: Number(outputTokens) },
    ],
  };
}
