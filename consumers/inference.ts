import type { Usage } from '../src/rating/usage';
import type { InferenceData } from '../schemas/types';
import { reject, type Rejection } from './decode/rejection';
import { isDuration, isInteger, isModel, isOptionalInteger } from './decode/precheck';
import { durationOf, negativeDuration } from './timed-usage';
import { usageConsumer } from './usage-consumer';

/** Inference: STT connection time, LLM tokens and TTS characters, each by model. */
export const inferenceConsumer = usageConsumer<InferenceData>({
  name: 'inference',
  topic: 'usage.inference',
  eventType: 'usage.inference.v1',
  passesPrecheck: (data) => {
    if (!isModel(data['model'])) return false;
    switch (data['kind']) {
      case 'stt':
        return isDuration(data);
      case 'llm':
        return (
          isInteger(data['inputTokens']) &&
          isOptionalInteger(data['cachedInputTokens']) &&
          isInteger(data['outputTokens'])
        );
      case 'tts':
        return isInteger(data['characters']);
      default:
        return false;
    }
  },
  usagesOf(data) {
    const { model } = data;
    switch (data.kind) {
      case 'stt': {
        const used = durationOf(data);
        return used === undefined ? negativeDuration(data) : [{ meter: 'inference.stt', model, used }];
      }
      case 'llm':
        return llmUsages(data);
      case 'tts':
        return [{ meter: 'inference.tts', model, used: Number(data.characters) }];
    }
  },
});

/**
 * Cached tokens are part of the input tokens but have their own price, so each token counts in one
 * of the two meters only.
 */
function llmUsages(data: Extract<InferenceData, { kind: 'llm' }>): Usage[] | Rejection {
  const { model } = data;
  const input = Number(data.inputTokens);
  const cached = Number(data.cachedInputTokens ?? 0);
  if (cached > input) {
    return reject(
      'schema_violation',
      `data.cachedInputTokens is ${cached} and must be at most data.inputTokens, ${input}`,
    );
  }
  return [
    { meter: 'inference.llm.input', model, used: input - cached },
    { meter: 'inference.llm.cached_input', model, used: cached },
    { meter: 'inference.llm.output', model, used: Number(data.outputTokens) },
  ];
}
