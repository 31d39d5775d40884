"""Runs the example in the file that is named, as a job would be run."""

import asyncio
import runpy
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[4] / "integrations/livekit-agents/python")]
from livekit.agents import JobContext  # noqa: E402

entrypoint = runpy.run_path(sys.argv[1])["entrypoint"]


async def main():
    ctx = JobContext()
    await entrypoint(ctx)
    for callback in ctx.callbacks:
        await callback()


asyncio.run(main())
