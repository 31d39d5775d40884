import { buildCatalog } from '../../../../src/billing/catalog/build-catalog';
import { unpricedByAgents } from '../../../../src/billing/catalog/unpriced-by-agents';
import { builtInCatalog, builtInDocument } from '../../../kit/built-in-catalog';

test('the built-in catalog prices what has a public price, and names what has none', () => {
  expect(unpricedByAgents(builtInCatalog)).toEqual({
    package: 'livekit-agents',
    version: '1.8.9',
    date: '2026-11-28',
    unpriced: {
      stt: {
        of: 23,
        names: [
          'assemblyai/universal-3-6-pro',
          'inworld/inworld-stt-1',
          'openai/gpt-live-transcribe',
          'speechmatics/linden-1',
        ],
      },
      llm: {
        of: 45,
        names: [
          ...['deepseek-ai/deepseek-v3', 'deepseek-ai/deepseek-v3.2', 'google/gemini-4-argon'],
          ...['moonshotai/kimi-k2.5', 'openai/chat-latest', 'openai/gpt-5.1-chat-latest'],
          ...['openai/gpt-5.2-chat-latest', 'openai/gpt-5.3-chat-latest', 'openai/gpt-6-luna'],
          ...['openai/gpt-6-sol', 'openai/gpt-6.1-sol', 'openai/gpt-oss-120b'],
          ...['xai/grok-4-1-fast-non-reasoning', 'xai/grok-4-1-fast-reasoning', 'zai/glm-5.1'],
        ],
      },
      tts: {
        of: 24,
        names: [
          ...['deepgram/aura', 'fishaudio/drama-3', 'fishaudio/s2.1-pro', 'fishaudio/s2.1-pro-free'],
          ...['inworld/inworld-tts-1', 'inworld/inworld-tts-1-max', 'inworld/inworld-tts-1.5'],
        ],
      },
    },
  });
});

test('a row, an alias and a dated alias of the catalog in use each take a name off the list', () => {
  const document = structuredClone(builtInDocument);
  const { stt, tts, aliases } = document.inference;
  const answer = buildCatalog({
    ...document,
    inference: {
      ...document.inference,
      stt: {
        ...stt,
        models: [...stt.models, { model: 'inworld/inworld-stt-1', from: '2026-12-01', price: '1' }],
      },
      tts,
      aliases: {
        ...aliases,
        'deepgram/aura': 'deepgram/aura-2',
        'fishaudio/drama-3': { model: 'fishaudio/s2-pro', from: '2027-01-01' },
      },
    },
  });
  if (!answer.ok) throw new Error(answer.problems.join('\n'));
  const { unpriced } = unpricedByAgents(answer.catalog);
  expect(unpriced.stt.names).toHaveLength(3);
  expect(unpriced.tts.names).toHaveLength(5);
});
