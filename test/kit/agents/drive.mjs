// Lets UsageReporter see what the steps in the given file say, with a session and an STT that only emit.
import { EventEmitter } from 'node:events';
import { readFileSync } from 'node:fs';
import { UsageReporter } from '../../../integrations/livekit-agents/node/tallyman-usage.mjs';

class Stt extends EventEmitter {
  label = 'an.STT';
  constructor({ model, provider, language }) {
    super();
    Object.assign(this, { model, provider, opts: { language } });
  }
  stream() {
    return { close() {} };
  }
}

class Adapter extends EventEmitter {
  constructor(sttInstances) {
    super();
    this.sttInstances = sttInstances;
  }
  stream() {
    throw new Error('the stream of an adapter is not a connection');
  }
}

let clockMs = 0;
performance.now = () => clockMs;

const plan = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const reporter = new UsageReporter({
  ...plan.options,
  spool: plan.spool,
  onRejected: ({ id }, reason) => console.log(`${id} ${reason}`),
});
const session = new EventEmitter();
const stts = plan.stts.map((stt) => new Stt(stt));
session.stt = stts.length > 1 ? new Adapter(stts) : stts[0];
reporter.attach(session);
for (const step of plan.steps) {
  if (step.totals) session.emit('session_usage_updated', { usage: { modelUsage: step.totals } });
  else if (step.metrics) session.emit('metrics_collected', { metrics: step.metrics });
  else if (step.recognized) stts[0].emit('metrics_collected', step.recognized);
  else if (step.streamMs !== undefined) {
    const stream = stts[step.stt ?? 0].stream({ language: step.language });
    clockMs += step.streamMs;
    if (!step.isLeftOpen) stream.close();
  }
}
await reporter.close();
