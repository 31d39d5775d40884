"""Reports what the models of a livekit-agents session used to Tallyman, over POST /v1/events.

Copy this file beside your agent. It needs nothing but Python 3.10 and livekit-agents:

    reporter = UsageReporter(project="acme", session=ctx.job.id)
    reporter.attach(session)
    ctx.add_shutdown_callback(reporter.aclose)

TALLYMAN_URL and TALLYMAN_TOKEN say where to send the events.
"""

import asyncio
import functools
import http.client
import itertools
import json
import logging
import os
import threading
import time
import urllib.error
import urllib.request
import uuid
from datetime import datetime, timezone
from pathlib import Path

logger = logging.getLogger("tallyman")

# A refused request lists its first 100 bad events, so no batch is larger.
EVENTS_PER_REQUEST = 100
REQUEST_TIMEOUT_S = 30
LONGEST_WAIT_S = 30


class NotAccepted(Exception):
    """The gateway refuses the request itself, so sending it again as it is cannot help."""


class UsageReporter:
    """Turns the usage of one session into `usage.inference` events, and sends each until it is
    accepted.

    project: who pays.
    session: what the ids of events begin with. It must be another for every session: the job's id.
    per: "session" sends the tokens and characters of each model once, when the session has ended.
        "request" sends those of each request at once. A stream of speech-to-text is an event of
        its own in either case.
    providers: counts only models of these providers, such as {"livekit"} for LiveKit Inference.
        All by default.
    spool: a folder that keeps events which are not yet accepted when the process is killed. The
        next reporter with the same folder sends them.
    on_rejected: called with an event that Tallyman does not take, the reason and the detail, on
        the thread that sends. Such events are logged by default.
    """

    def __init__(
        self,
        *,
        project,
        session,
        url=None,
        token=None,
        per="session",
        source="/livekit-agents",
        providers=None,
        spool=None,
        on_rejected=None,
    ):
        if per not in ("session", "request"):
            raise ValueError(f'per is {per!r} and must be "session" or "request"')
        for name, value in (("project", project), ("session", session)):
            if not isinstance(value, str) or value == "":
                raise ValueError(f"{name} is {value!r} and must be a string that is not empty")
        self._url = (url or os.environ.get("TALLYMAN_URL", "")).rstrip("/")
        self._token = token or os.environ.get("TALLYMAN_TOKEN")
        if not self._url or not self._token:
            raise ValueError("set TALLYMAN_URL and TALLYMAN_TOKEN, or give url and token")
        self._project, self._session, self._source = project, session, source
        self._per, self._providers = per, providers
        self._spool = Path(spool) if spool else None
        if self._spool:
            self._spool.mkdir(parents=True, exist_ok=True)
        self._on_rejected = on_rejected or _log_rejected
        self._numbers = {kind: itertools.count(1) for kind in ("stt", "llm", "tts")}
        self._totals = []
        self._open_streams = []
        self._stt_reported, self._stt_counted = set(), set()
        self._closed = False
        self._outbox = self._spooled()
        self._outbox_lock, self._sending = threading.Lock(), threading.Lock()
        self._sender = None

    def attach(self, session):
        """Counts what an AgentSession uses. Call it before the session starts."""
        if self._per == "session":
            session.on("session_usage_updated", self._on_totals)
        else:
            session.on("metrics_collected", self._on_metrics)
        if getattr(session, "stt", None) is not None:
            self.stt(session.stt)

    def stt(self, stt, model=None):
        """Counts the life of every stream that `stt` opens, and returns `stt`. `attach` does so for
        the session's own; an STT that only an Agent has is passed through here. `model` is the
        name to report, if it is not the STT's.
        """
        for one in _without_adapters(stt):
            if not hasattr(one, "_tallyman_stream"):
                one._tallyman_stream = one.stream
                one.on("metrics_collected", functools.partial(_recognized, one))
            one._tallyman_reporter, one._tallyman_model = self, model
            one.stream = functools.partial(self._open_stream, one)
        return stt

    async def aclose(self):
        """Ends the count and returns when every event is accepted. As a shutdown callback it runs
        after the session's end.

        Raises NotAccepted if the gateway refuses the requests, for example because the token is wrong.
        """
        for end in list(self._open_streams):
            end()
        for usage in self._totals:
            self._count_total(usage)
        self._totals, self._closed = [], True
        for provider, model in self._stt_reported - self._stt_counted:
            logger.warning("STT %s of %s is not counted: pass it through UsageReporter.stt()", model, provider)
        await asyncio.to_thread(self._drain)

    # What is used.

    def _on_totals(self, event):
        # Each update holds the sums since the session's start: only the last one counts.
        if self._closed:
            logger.error("usage after aclose() is not counted: call aclose() when the session has ended")
            return
        self._totals = _get(_get(event, "usage"), "model_usage") or []
        for usage in self._totals:
            if _get(usage, "type") == "stt_usage" and _get(usage, "audio_duration"):
                self._stt_reported.add((_get(usage, "provider"), _get(usage, "model")))

    def _count_total(self, usage):
        kind, provider, model = _get(usage, "type"), _get(usage, "provider"), _get(usage, "model")
        if kind == "llm_usage":
            tokens = [_get(usage, name) for name in ("input_tokens", "input_cached_tokens", "output_tokens")]
            self._count("llm", f"{provider}/{model}", provider, model, _llm(*tokens))
        elif kind == "tts_usage":
            characters = {"characters": _get(usage, "characters_count")}
            self._count("tts", f"{provider}/{model}", provider, model, characters)

    def _on_metrics(self, event):
        metrics = _get(event, "metrics")
        kind, metadata = _get(metrics, "type"), _get(metrics, "metadata")
        provider, model = _get(metadata, "model_provider"), _get(metadata, "model_name")
        # No metric's own request_id makes an id: an STT repeats it, some providers do too, and it
        # may be empty.
        if kind == "llm_metrics":
            tokens = [_get(metrics, name) for name in ("prompt_tokens", "prompt_cached_tokens", "completion_tokens")]
            self._count("llm", None, provider, model, _llm(*tokens))
        elif kind == "realtime_model_metrics":
            cached = _get(_get(metrics, "input_token_details"), "cached_tokens")
            tokens = _get(metrics, "input_tokens"), cached, _get(metrics, "output_tokens")
            self._count("llm", None, provider, model, _llm(*tokens))
        elif kind == "tts_metrics":
            self._count("tts", None, provider, model, {"characters": _get(metrics, "characters_count")})
        elif kind == "stt_metrics" and _get(metrics, "audio_duration"):
            self._stt_reported.add((provider, model))

    def _open_stream(self, stt, *args, **kwargs):
        stream = stt._tallyman_stream(*args, **kwargs)
        provider, model = stt.provider, stt.model
        name = stt._tallyman_model or _with_language(stt, model, kwargs.get("language"))
        self._stt_counted.add((provider, model))
        started = time.monotonic_ns()

        def end():
            if end in self._open_streams:
                self._open_streams.remove(end)
                # Up, so that a second begun is still one begun in milliseconds.
                duration = {"durationMs": -(-(time.monotonic_ns() - started) // 1_000_000)}
                self._count("stt", None, provider, name, duration)

        close = stream.aclose

        async def aclose():
            try:
                await close()
            finally:
                end()

        self._open_streams.append(end)
        stream.aclose = aclose
        return stream

    def _count(self, kind, name, provider, model, amounts):
        if not any(amounts.values()) or (self._providers is not None and provider not in self._providers):
            return
        event = {
            "specversion": "1.0",
            # Made once, so that an event which is sent again is the same event.
            "id": f"{self._session}/{kind}/{name or next(self._numbers[kind])}",
            "source": self._source,
            "type": "usage.inference.v1",
            "subject": self._project,
            "time": datetime.now(timezone.utc).isoformat(),
            "data": {"kind": kind, "model": model or "unknown", "provider": provider or "", **amounts},
        }
        with self._outbox_lock:
            self._outbox.append((event, self._keep(event)))
            if self._sender is None or not self._sender.is_alive():
                self._sender = threading.Thread(target=self._drain_in_background, daemon=True)
                self._sender.start()

    # How it is sent.

    def _drain_in_background(self):
        try:
            self._drain()
        except NotAccepted as error:
            logger.error("Tallyman refuses usage: %s. It is kept and sent again later", error)

    def _drain(self):
        with self._sending:
            while batch := self._outbox[:EVENTS_PER_REQUEST]:
                self._send([event for event, _ in batch])
                for _, file in batch:
                    if file:
                        file.unlink(missing_ok=True)
                with self._outbox_lock:
                    del self._outbox[: len(batch)]

    def _keep(self, event):
        """Writes an event to the spool, whole or not at all."""
        if self._spool is None:
            return None
        file = self._spool / f"{uuid.uuid4().hex}.json"
        file.with_suffix(".part").write_text(json.dumps(event))
        return file.with_suffix(".part").replace(file)

    def _spooled(self):
        """What other processes have left in the spool. One that lives may send the same: the ids
        are the same.
        """
        found = []
        for file in self._spool.glob("*.json") if self._spool else []:
            try:
                found.append((json.loads(file.read_text()), file))
            except FileNotFoundError:
                pass  # The other process has just sent it.
        return found

    def _send(self, batch):
        """Returns when the gateway has answered for every event of a batch."""
        for attempt in itertools.count():
            try:
                rejected = self._post(batch)
                break
            except urllib.error.HTTPError as error:
                seconds = _retry_after(error) or min(2**attempt, LONGEST_WAIT_S)
                logger.warning("Tallyman answers %s, next attempt in %s s", error.code, seconds)
            except (OSError, http.client.HTTPException, ValueError) as error:
                # No answer, or half of one: the events may have been accepted. They are sent again
                # under their ids.
                seconds = min(2**attempt, LONGEST_WAIT_S)
                logger.warning("Tallyman does not answer (%s), next attempt in %s s", error, seconds)
            time.sleep(seconds)
        for one in rejected:
            self._on_rejected(batch[one["index"]], one["reason"], one["detail"])

    def _post(self, batch):
        """Returns the events that were rejected."""
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Content-Type": "application/cloudevents-batch+json",
        }
        body = json.dumps(batch).encode()
        request = urllib.request.Request(self._url + "/v1/events", data=body, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=REQUEST_TIMEOUT_S) as response:
                if response.status != 202:
                    raise NotAccepted(f"{response.status} instead of 202: is {self._url} a Tallyman gateway?")
                answer = json.load(response)
        except urllib.error.HTTPError as error:
            if error.code in (408, 429) or error.code >= 500:
                raise
            text = error.read().decode(errors="replace")
            try:
                return json.loads(text)["errors"]  # Every event was rejected.
            except (ValueError, KeyError, TypeError):
                raise NotAccepted(f"{error.code}: {text[:500]}") from None
        if not isinstance(answer, dict) or "rejected" not in answer:
            raise NotAccepted(f"{self._url} does not answer as a Tallyman gateway does")
        return answer["rejected"]


def _recognized(stt, metrics):
    """Recognition without a stream has no connection time: it is counted by its audio, in whole
    milliseconds.
    """
    if not _get(metrics, "streamed"):
        reporter = stt._tallyman_reporter
        reporter._stt_counted.add((stt.provider, stt.model))
        duration = {"durationMs": round(_get(metrics, "audio_duration") * 1000)}
        model = stt._tallyman_model or _with_language(stt, stt.model, None)
        reporter._count("stt", None, stt.provider, model, duration)


def _without_adapters(stt):
    """The STTs that talk to a provider: an adapter hands its audio on to those within it."""
    inner = getattr(stt, "_stt_instances", None) or [getattr(stt, "wrapped_stt", None)]
    return [stt] if inner == [None] else [one for each in inner for one in _without_adapters(each)]


def _with_language(stt, model, language):
    """nova-3 has another price for several languages, and livekit-agents cuts the language off the
    model's name.
    """
    if not isinstance(language, str):
        language = getattr(getattr(stt, "_opts", None), "language", None)
    is_multilingual = model.split("/")[-1] == "nova-3" and language == "multi"
    return f"{model}-multilingual" if is_multilingual else model


def _llm(input_tokens, cached, output_tokens):
    # Input includes what was cached, and output what was reasoned: neither is added.
    return {"inputTokens": input_tokens or 0, "cachedInputTokens": cached or 0, "outputTokens": output_tokens or 0}


def _get(value, name):
    """A field of a metric, which is an object or a dict."""
    return value.get(name) if isinstance(value, dict) else getattr(value, name, None)


def _retry_after(error):
    text = error.headers.get("Retry-After", "")
    return int(text) if text.isdecimal() else None


def _log_rejected(event, reason, detail):
    logger.error("Tallyman rejects the event %s: %s, %s", event["id"], reason, detail)
