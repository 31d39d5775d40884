/**
 * Reports what the models of a livekit-agents session used to Tallyman, over POST /v1/events.
 *
 * Copy this file beside your agent. It needs nothing but Node 20 and @livekit/agents:
 *
 *     const reporter = new UsageReporter({ project: 'acme', session: ctx.job.id });
 *     reporter.attach(session);
 *     ctx.addShutdownCallback(() => reporter.close());
 *
 * TALLYMAN_URL and TALLYMAN_TOKEN say where to send the events.
 */
import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A refused request lists its first 100 bad events, so no batch is larger. */
const EVENTS_PER_REQUEST = 100;
const REQUEST_TIMEOUT_MS = 30_000;
const LONGEST_WAIT_S = 30;

/** The gateway refuses the request itself, so sending it again as it is cannot help. */
export class NotAcceptedError extends Error {}

/**
 * @typedef {object} UsageReporterOptions
 * @property {string} project who pays
 * @property {string} session what the ids of events begin with. It must be another for every
 *   session: the job's id
 * @property {string} [url] of the gateway; TALLYMAN_URL by default
 * @property {string} [token] of a producer; TALLYMAN_TOKEN by default
 * @property {'session' | 'request'} [per] "session" (the default) sends the tokens and characters
 *   of each model once, when the session has ended. "request" sends those of each request at once.
 *   A stream of speech-to-text is an event of its own in either case
 * @property {string} [source]
 * @property {readonly string[]} [providers] counts only models of these providers, such as
 *   ['livekit'] for LiveKit Inference. All by default
 * @property {string} [spool] a folder that keeps events which are not yet accepted when the process
 *   is killed. The next reporter with the same folder sends them
 * @property {(event: object, reason: string, detail: string) => void} [onRejected] called with an
 *   event that Tallyman does not take. They are logged by default
 */

/**
 * Turns the usage of one session into `usage.inference` events and sends each until it is accepted.
 */
export class UsageReporter {
  #url;
  #token;
  #options;
  #numbers = { stt: 0, llm: 0, tts: 0 };
  #totals = [];
  #openStreams = new Set();
  #sttReported = new Set();
  #sttCounted = new Set();
  #isClosed = false;
  /** Events, each with its file in the spool. */
  #outbox = [];
  /** The end of what is being sent. */
  #sending = Promise.resolve();
  #isSending = false;

  /** @param {UsageReporterOptions} options */
  constructor({ per = 'session', source = '/livekit-agents', onRejected = logRejected, ...options }) {
    if (per !== 'session' && per !== 'request') {
      throw new TypeError(`per is ${JSON.stringify(per)} and must be "session" or "request"`);
    }
    for (const name of ['project', 'session']) {
      if (typeof options[name] !== 'string' || options[name] === '') {
        throw new TypeError(
          `${name} is ${JSON.stringify(options[name])} and must be a string that is not empty`,
        );
      }
    }
    this.#url = (options.url ?? process.env.TALLYMAN_URL ?? '').replace(/\/+$/, '');
    this.#token = options.token ?? process.env.TALLYMAN_TOKEN;
    if (!this.#url || !this.#token) {
      throw new TypeError('set TALLYMAN_URL and TALLYMAN_TOKEN, or give url and token');
    }
    if (options.spool) mkdirSync(options.spool, { recursive: true });
    this.#options = { ...options, per, source, onRejected };
    this.#outbox = this.#spooled();
  }

  /** Counts what a voice.AgentSession uses. Call it before the session starts. */
  attach(session) {
    if (this.#options.per === 'session') {
      session.on('session_usage_updated', (event) => this.#onTotals(event.usage.modelUsage));
    } else {
      session.on('metrics_collected', (event) => this.#onMetrics(event.metrics));
    }
    if (session.stt) this.stt(session.stt);
  }

  /**
   * Counts the life of every stream that `stt` opens, and returns `stt`. `attach` does so for the
   * session's own; an STT that only an Agent has is passed through here.
   *
   * @template T
   * @param {T} stt
   * @param {string} [model] the name to report, if it is not the STT's
   * @returns {T}
   */
  stt(stt, model) {
    // An adapter hands its audio on to the STTs within it.
    if (stt.sttInstances) {
      for (const one of stt.sttInstances) this.stt(one, model);
      return stt;
    }
    if (!wrapped.has(stt)) {
      wrapped.set(stt, { stream: stt.stream.bind(stt) });
      stt.on('metrics_collected', (metrics) => wrapped.get(stt).onMetrics(metrics));
    }
    const own = wrapped.get(stt);
    own.onMetrics = (metrics) => this.#onRecognized(stt, model, metrics);
    // A StreamAdapter opens no connection: it cuts audio into pieces that are recognized one by
    // one.
    if (!stt.label?.startsWith('stt.StreamAdapter<')) {
      stt.stream = (options) => this.#openStream(stt, model, own.stream, options);
    }
    return stt;
  }

  /**
   * Ends the count and resolves when every event is accepted. As a shutdown callback it runs after
   * the session's end. Rejects with NotAcceptedError if the gateway refuses the requests, for
   * example because the token is wrong.
   */
  async close() {
    for (const end of [...this.#openStreams]) end();
    for (const usage of this.#totals) this.#countTotal(usage);
    this.#totals = [];
    this.#isClosed = true;
    for (const name of this.#sttReported) {
      if (!this.#sttCounted.has(name)) {
        console.warn(`tallyman: STT ${name} is not counted: pass it through UsageReporter.stt()`);
      }
    }
    await this.#drain();
  }

  // What is used.

  /** Each update holds the sums since the session's start: only the last one counts. */
  #onTotals(modelUsage) {
    if (this.#isClosed) {
      console.error('tallyman: usage after close() is not counted: call close() when the session has ended');
      return;
    }
    this.#totals = modelUsage;
    for (const { type, provider, model, audioDurationMs } of modelUsage) {
      if (type === 'stt_usage' && audioDurationMs) this.#sttReported.add(`${provider}/${model}`);
    }
  }

  /** Amounts of zero are left out by livekit-agents. */
  #countTotal(usage) {
    const { type, provider, model } = usage;
    const name = `${provider}/${model}`;
    if (type === 'llm_usage') {
      const { inputTokens, inputCachedTokens, outputTokens } = usage;
      this.#count('llm', name, provider, model, llm(inputTokens, inputCachedTokens, outputTokens));
    } else if (type === 'tts_usage') {
      this.#count('tts', name, provider, model, { characters: usage.charactersCount ?? 0 });
    }
  }

  /**
   * No metric's own requestId makes an id: an STT repeats it, some providers do too, and it may be
   * empty.
   */
  #onMetrics(metrics) {
    const { modelProvider: provider, modelName: model } = metrics.metadata ?? {};
    if (metrics.type === 'llm_metrics') {
      const { promptTokens, promptCachedTokens, completionTokens } = metrics;
      this.#count('llm', undefined, provider, model, llm(promptTokens, promptCachedTokens, completionTokens));
    } else if (metrics.type === 'realtime_model_metrics') {
      const { inputTokens, inputTokenDetails, outputTokens } = metrics;
      const amounts = llm(inputTokens, inputTokenDetails?.cachedTokens, outputTokens);
      this.#count('llm', undefined, provider, model, amounts);
    } else if (metrics.type === 'tts_metrics') {
      this.#count('tts', undefined, provider, model, { characters: metrics.charactersCount });
    } else if (metrics.type === 'stt_metrics' && metrics.audioDurationMs) {
      this.#sttReported.add(`${provider}/${model}`);
    }
  }

  /** Recognition without a stream has no connection time: it is counted by its audio. */
  #onRecognized(stt, model, { streamed, metadata, audioDurationMs }) {
    if (streamed) return;
    // An adapter passes on what the STT within it reports.
    const provider = metadata?.modelProvider ?? stt.provider;
    const own = metadata?.modelName ?? stt.model;
    this.#sttCounted.add(`${provider}/${own}`);
    const duration = { durationMs: Math.round(audioDurationMs) };
    this.#count('stt', undefined, provider, model ?? withLanguage(stt, own), duration);
  }

  #openStream(stt, givenName, open, options) {
    const stream = open(options);
    const { provider, model } = stt;
    const name = givenName ?? withLanguage(stt, model, options?.language);
    this.#sttCounted.add(`${provider}/${model}`);
    const startedMs = performance.now();
    const end = () => {
      if (!this.#openStreams.delete(end)) return;
      // Up, so that a second begun is still one begun in milliseconds.
      const durationMs = Math.ceil(performance.now() - startedMs);
      this.#count('stt', undefined, provider, name, { durationMs });
    };
    this.#openStreams.add(end);
    const close = stream.close.bind(stream);
    stream.close = () => {
      try {
        return close();
      } finally {
        end();
      }
    };
    return stream;
  }

  #count(kind, name, provider = '', model, amounts) {
    const { session, source, project, providers } = this.#options;
    if (Object.values(amounts).every((amount) => amount === 0)) return;
    if (providers && !providers.includes(provider)) return;
    if (name === undefined) this.#numbers[kind] += 1;
    const event = {
      specversion: '1.0',
      // Made once, so that an event which is sent again is the same event.
      id: `${session}/${kind}/${name ?? this.#numbers[kind]}`,
      source,
      type: 'usage.inference.v1',
      subject: project,
      time: new Date().toISOString(),
      data: { kind, model: model || 'unknown', provider, ...amounts },
    };
    this.#outbox.push({ event, file: this.#keep(event) });
    if (!this.#isSending) {
      this.#drain().catch((error) =>
        console.error(
          `tallyman: the gateway refuses usage: ${error.message}. It is kept and sent again later`,
        ),
      );
    }
  }

  // How it is sent.

  /** One at a time: whoever comes second finds the outbox empty. */
  #drain() {
    const drained = this.#sending.then(() => this.#sendAll());
    this.#sending = drained.catch(() => {});
    return drained;
  }

  async #sendAll() {
    this.#isSending = true;
    try {
      while (this.#outbox.length > 0) {
        const batch = this.#outbox.slice(0, EVENTS_PER_REQUEST);
        await this.#send(batch.map(({ event }) => event));
        for (const { file } of batch) if (file) rmSync(file, { force: true });
        this.#outbox.splice(0, batch.length);
      }
    } finally {
      this.#isSending = false;
    }
  }

  /** Writes an event to the spool, whole or not at all. */
  #keep(event) {
    const { spool } = this.#options;
    if (!spool) return undefined;
    const file = join(spool, `${randomUUID()}.json`);
    writeFileSync(`${file}.part`, JSON.stringify(event));
    renameSync(`${file}.part`, file);
    return file;
  }

  /**
   * What other processes have left in the spool. One that lives may send the same: the ids are the
   * same.
   */
  #spooled() {
    const { spool } = this.#options;
    const names = spool ? readdirSync(spool).filter((name) => name.endsWith('.json')) : [];
    return names.flatMap((name) => {
      const file = join(spool, name);
      try {
        return [{ event: JSON.parse(readFileSync(file, 'utf8')), file }];
      } catch (error) {
        if (error.code === 'ENOENT') return []; // The other process has just sent it.
        throw error;
      }
    });
  }

  /** Resolves when the gateway has answered for every event of a batch. */
  async #send(batch) {
    for (let attempt = 0; ; attempt += 1) {
      const { rejected, seconds, problem } = await this.#post(batch);
      if (rejected) {
        for (const { index, reason, detail } of rejected) {
          this.#options.onRejected(batch[index], reason, detail);
        }
        return;
      }
      const wait = seconds || Math.min(2 ** attempt, LONGEST_WAIT_S);
      console.warn(`tallyman: ${problem}, next attempt in ${wait} s`);
      await new Promise((resolve) => setTimeout(resolve, wait * 1_000));
    }
  }

  /**
   * The events that were rejected; or why to send all of them again, and when if the gateway says
   * so.
   */
  async #post(batch) {
    let response;
    let text;
    try {
      response = await fetch(`${this.#url}/v1/events`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${this.#token}`,
          'content-type': 'application/cloudevents-batch+json',
        },
        body: JSON.stringify(batch),
        signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      });
      text = await response.text();
    } catch (error) {
      // No answer, or half of one: the events may have been accepted. They are sent again under
      // their ids.
      return { problem: `the gateway does not answer (${error.cause?.message ?? error.message})` };
    }
    const { status, headers } = response;
    if ([408, 429].includes(status) || status >= 500) {
      const after = headers.get('retry-after') ?? '';
      return {
        problem: `the gateway answers ${status}`,
        ...(/^\d+$/.test(after) && { seconds: Number(after) }),
      };
    }
    const { rejected, errors } = parsed(text);
    if (status === 202 && rejected) return { rejected };
    if (status >= 400 && errors) return { rejected: errors }; // Every event was rejected.
    throw new NotAcceptedError(`${status} instead of 202: ${text.slice(0, 500)}`);
  }
}

/** STT -> its own `stream`, and what its metrics go to. A later reporter takes both over. */
const wrapped = new WeakMap();

/**
 * nova-3 has another price for several languages, and livekit-agents cuts the language off the
 * model's name.
 */
function withLanguage(stt, model, language = stt.opts?.language) {
  const isMultilingual = model.split('/').at(-1) === 'nova-3' && language === 'multi';
  return isMultilingual ? `${model}-multilingual` : model;
}

/** Input includes what was cached, and output what was reasoned: neither is added. */
const llm = (inputTokens = 0, cachedInputTokens = 0, outputTokens = 0) => ({
  inputTokens,
  cachedInputTokens,
  outputTokens,
});

function parsed(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}

function logRejected({ id }, reason, detail) {
  console.error(`tallyman: the event ${id} is rejected: ${reason}, ${detail}`);
}
