import json
import os
import time
import urllib.error
import urllib.request
from datetime import datetime, timezone


def event(kind, event_id, data):
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": "/python-http",
        "type": f"usage.{kind}.v1",
        "subject": "acme",
        "time": datetime.now(timezone.utc).isoformat(),
        "data": data,
    }


def publish(events, attempts=6):
    """Sends the same events until they are accepted: an event that arrives twice counts once."""
    request = urllib.request.Request(
        os.environ["TALLYMAN_URL"] + "/v1/events",
        data=json.dumps(events).encode(),
        headers={
            "Authorization": "Bearer " + os.environ["TALLYMAN_TOKEN"],
            "Content-Type": "application/cloudevents-batch+json",
        },
    )
    for attempt in range(attempts):
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return json.load(response)  # {"accepted": ..., "rejected": [...]}
        except urllib.error.HTTPError as error:
            if error.code not in (429, 503) or attempt == attempts - 1:
                raise RuntimeError(f"{error.code}: {error.read().decode()}") from error
            time.sleep(float(error.headers.get("Retry-After", 2**attempt)))
        except OSError:
            if attempt == attempts - 1:
                raise
            time.sleep(2**attempt)


answer = publish([
    event("session", "PA_1", {"service": "webrtc", "durationMs": 70_000}),
    event("transfer", "PA_1/down", {"service": "webrtc", "direction": "downstream", "bytes": 73_400_321}),
    event("agent", "AJ_1", {"durationMs": 300_000}),
    event("inference", "REQ_1", {
        "kind": "llm", "model": "openai/gpt-4.1-mini",
        "inputTokens": 1_200, "cachedInputTokens": 1_000, "outputTokens": 80,
    }),
])
if answer["rejected"]:
    raise SystemExit(f"not accepted: {answer['rejected']}")
