"""Lets UsageReporter see what the steps in the given file say, with a session and an STT that only emit."""

import asyncio
import json
import sys
import time
import types
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3] / "integrations/livekit-agents/python"))
sys.path.insert(0, str(Path(__file__).parent / "stand-ins"))
sys.dont_write_bytecode = True
import tallyman_usage  # noqa: E402
from livekit.agents import Emitter, Stream  # noqa: E402


class Stt(Emitter):
    def __init__(self, model, provider, language=None):
        super().__init__()
        self.model, self.provider = model, provider
        self._opts = types.SimpleNamespace(language=language)

    def stream(self, *, language=None):
        return Stream()


class Adapter(Emitter):
    def __init__(self, instances):
        super().__init__()
        self._stt_instances = instances

    def stream(self):
        raise AssertionError("the stream of an adapter is not a connection")


class Fields:
    """A metric as an object, as livekit-agents emits it."""

    def __init__(self, fields):
        for name, value in fields.items():
            setattr(self, name, Fields(value) if isinstance(value, dict) else value)


clock_ns = 0
tallyman_usage.time = types.SimpleNamespace(monotonic_ns=lambda: clock_ns, sleep=time.sleep)


async def main():
    global clock_ns
    plan = json.loads(Path(sys.argv[1]).read_text())
    shape = Fields if plan["objects"] else dict
    options = {"spool": plan.get("spool"), **plan["options"]}
    reporter = tallyman_usage.UsageReporter(
        **options, on_rejected=lambda event, reason, detail: print(event["id"], reason, flush=True)
    )
    session = Emitter()
    stts = [Stt(**stt) for stt in plan["stts"]]
    session.stt = Adapter(stts) if len(stts) > 1 else (stts or [None])[0]
    reporter.attach(session)
    for step in plan["steps"]:
        if "totals" in step:
            totals = [shape(usage) for usage in step["totals"]]
            session.emit("session_usage_updated", shape({"usage": shape({"model_usage": totals})}))
        elif "metrics" in step:
            session.emit("metrics_collected", shape({"metrics": shape(step["metrics"])}))
        elif "recognized" in step:
            stts[0].emit("metrics_collected", shape(step["recognized"]))
        elif "streamMs" in step:
            stream = stts[step.get("stt", 0)].stream(language=step.get("language"))
            clock_ns += round(step["streamMs"] * 1_000_000)
            if not step.get("isLeftOpen"):
                await stream.aclose()
    await reporter.aclose()


asyncio.run(main())
