"""As much of livekit-agents as the example of the documents uses: a session emits what was recorded."""

import asyncio
import json
import os
import types


class Emitter:
    def __init__(self):
        self.listeners = {}

    def on(self, event, listener):
        self.listeners.setdefault(event, []).append(listener)

    def emit(self, event, argument):
        for listener in self.listeners.get(event, []):
            listener(argument)


class Stream:
    async def aclose(self):
        pass


class Stt(Emitter):
    provider = "livekit"

    def __init__(self, model):
        super().__init__()
        self.model, language = model.split(":")
        self._opts = types.SimpleNamespace(language=language)

    def stream(self):
        return Stream()


class AgentSession(Emitter):
    def __init__(self, *, stt, llm, tts):
        super().__init__()
        self.stt = stt

    async def start(self, *, agent, room):
        stream = self.stt.stream()
        for totals in json.loads(os.environ["RECORDED_TOTALS"]):
            self.emit("session_usage_updated", {"usage": {"model_usage": totals}})
        # Longer than nothing: a stream of less than a millisecond is not reported.
        await asyncio.sleep(0.005)
        await stream.aclose()


class JobContext:
    def __init__(self):
        self.job = types.SimpleNamespace(id="AJ_docs")
        self.proc = types.SimpleNamespace(userdata={"agent": None})
        self.room, self.callbacks = None, []

    def add_shutdown_callback(self, callback):
        self.callbacks.append(callback)


inference = types.SimpleNamespace(STT=Stt, LLM=str, TTS=str)
