const time = new Date().toISOString();
const event = (kind, id, data) => ({
  specversion: '1.0',
  id,
  source: '/node-http',
  type: `usage.${kind}.v1`,
  subject: 'acme',
  time,
  data,
});

/** Sends the same events until they are accepted: an event that arrives twice counts once. */
async function publish(events) {
  for (let attempt = 0; ; attempt += 1) {
    const response = await fetch(`${process.env.TALLYMAN_URL}/v1/events`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${process.env.TALLYMAN_TOKEN}`,
        'content-type': 'application/cloudevents-batch+json',
      },
      body: JSON.stringify(events),
      signal: AbortSignal.timeout(30_000),
    }).catch((error) => ({ status: 503, headers: new Headers(), text: async () => String(error) }));
    if (response.status === 202) return response.json(); // { accepted, rejected: [...] }
    if (![429, 503].includes(response.status) || attempt === 5) {
      throw new Error(`${response.status}: ${await response.text()}`);
    }
    const seconds = Number(response.headers.get('retry-after') ?? 2 ** attempt);
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  }
}

publish([
  event('session', 'PA_1', { service: 'webrtc', durationMs: 70_000 }),
  event('transfer', 'PA_1/down', { service: 'webrtc', direction: 'downstream', bytes: 73_400_321 }),
  event('agent', 'AJ_1', { durationMs: 300_000 }),
  event('inference', 'REQ_1', {
    kind: 'llm',
    model: 'openai/gpt-4.1-mini',
    inputTokens: 1_200,
    cachedInputTokens: 1_000,
    outputTokens: 80,
  }),
]).then(({ rejected }) => {
  if (rejected.length > 0) throw new Error(JSON.stringify(rejected));
});
