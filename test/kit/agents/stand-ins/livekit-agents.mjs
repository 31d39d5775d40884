// As much of @livekit/agents as the example of the documents uses: a session emits what was recorded.
import { EventEmitter } from 'node:events';

class Stt extends EventEmitter {
  provider = 'livekit';
  constructor({ model }) {
    super();
    const [name, language] = model.split(':');
    Object.assign(this, { model: name, opts: { language } });
  }
  stream() {
    return { close() {} };
  }
}

class AgentSession extends EventEmitter {
  constructor({ stt }) {
    super();
    this.stt = stt;
  }
  async start() {
    const stream = this.stt.stream();
    for (const modelUsage of JSON.parse(process.env.RECORDED_TOTALS)) {
      this.emit('session_usage_updated', { usage: { modelUsage } });
    }
    // Longer than nothing: a stream of less than a millisecond is not reported.
    await new Promise((resolve) => setTimeout(resolve, 5));
    stream.close();
  }
}

export const inference = { STT: Stt, LLM: class {}, TTS: class {} };
export const voice = { AgentSession };
