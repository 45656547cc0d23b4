"""The processes that a measurement runs beside itself: the scripted model and the workers, each with its own GIL.

`python -m benchmarks.peers KIND ...` says on its first line of output where it is; then it answers every line of its
input with what it has used since the last one, and ends when its input does.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Literal
from unittest.mock import patch

from pydantic import BaseModel, SecretStr

from benchmarks.memory import Memory, memory
from benchmarks.stopwatch import Stopwatch

Served = Literal[
    "tether",
    "tether-split",
    "all-allowed",
    "hundred-rules",
    "asking",
    "budgets",
    "no-budgets",
    "own-cap",
    "everything",
    "nothing",
    "crowd",
    "few-places",
]
"""What Tether's workers serve; each has a task queue of that name."""

ModelKind = Literal["model", "stalling-model", "counting-model", "wordy-model", "slow-model"]
Kind = ModelKind | Literal["loop"] | Served


class Used(BaseModel):
    """What a process used since it was last asked.

    Attributes:
        cpu_ms: CPU time of all its threads.
        model_ms: Duration of each model call.
        memory: What it holds; None where nothing tells.
    """

    cpu_ms: float
    model_ms: list[float] = []
    memory: Memory | None = None


class Ready(BaseModel):
    """A process is ready; `url` is where the scripted model listens."""

    url: str = ""


class Options(BaseModel):
    """What a worker needs to know.

    Attributes:
        address: Of the Temporal server.
        model_url: Of the scripted model.
        heartbeat: Seconds, of Tether's workers.
        store_url: Of the store; empty for none.
        activities: That a worker of Tether's runs at once.
        seconds: That a slow model takes for each reply.
    """

    address: str = ""
    model_url: str = ""
    heartbeat: float = 15.0
    store_url: str = ""
    activities: int = 100
    seconds: float = 0.0


async def main(kind: Kind, options: Options) -> None:
    """Run one process until its input ends."""
    stop, stopwatch = asyncio.Event(), Stopwatch()
    answering = asyncio.create_task(_answer(stopwatch, stop))
    match kind:
        case "model" | "stalling-model" | "counting-model" | "wordy-model" | "slow-model":
            await _serve_model(kind, options, stop=stop)
        case "loop":
            from benchmarks.baseline import serve  # noqa: PLC0415  only this kind needs it

            _say(Ready())
            await serve(options.address, options.model_url, stopwatch, stop)
        case _:
            await _serve_tether(kind, options, stopwatch, stop)
    await answering


async def _serve_model(kind: ModelKind, options: Options, *, stop: asyncio.Event) -> None:
    from benchmarks.scripted import WORDY, Counting, Slow, Stalling, answer  # noqa: PLC0415  only these kinds need it
    from tether.testing.wire import Answer, Request, WireServer  # noqa: PLC0415

    says: dict[ModelKind, Callable[[Request], Answer]] = {
        "model": answer,
        "stalling-model": Stalling(),
        "counting-model": Counting(),
        "wordy-model": WORDY,
        "slow-model": Slow(options.seconds),
    }
    async with WireServer(says[kind], record=False) as server:
        _say(Ready(url=server.openai_url))
        await stop.wait()


async def _serve_tether(kind: Served, options: Options, stopwatch: Stopwatch, stop: asyncio.Event) -> None:
    from benchmarks.apps import APPS  # noqa: PLC0415  only these kinds need it
    from tether.adapters.connection import connect  # noqa: PLC0415
    from tether.adapters.providers.openai_chat import OpenAIChat  # noqa: PLC0415
    from tether.adapters.settings import Settings  # noqa: PLC0415
    from tether.provider import ModelReply, ModelRequest, OnDelta  # noqa: PLC0415
    from tether.workers.bootstrap import run_worker  # noqa: PLC0415

    complete: Callable[[OpenAIChat, ModelRequest, OnDelta], Awaitable[ModelReply]] = OpenAIChat.complete

    async def timed(provider: OpenAIChat, request: ModelRequest, on_delta: OnDelta) -> ModelReply:
        with stopwatch.running():
            return await complete(provider, request, on_delta)

    split = kind == "tether-split"
    settings = Settings().model_copy(
        update={
            "openai_api_key": None,
            "openai_base_url": options.model_url,
            "heartbeat": options.heartbeat,
            "max_activities": options.activities,
            "store_url": SecretStr(options.store_url),
            "task_queue": kind,
            "model_queue": f"{kind}-models" if split else "",
            "tool_queue": f"{kind}-tools" if split else "",
        }
    )
    with patch.object(OpenAIChat, "complete", timed):
        client = await connect(address=options.address)
        _say(Ready())
        await run_worker(APPS[kind], settings, client, stop=stop)


async def _answer(stopwatch: Stopwatch, stop: asyncio.Event) -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    told = time.process_time()
    while await reader.readline():
        now = time.process_time()
        _say(Used(cpu_ms=(now - told) * 1000, model_ms=stopwatch.read(), memory=memory()))
        told = now
    stop.set()


def _say(message: BaseModel) -> None:
    print(message.model_dump_json(), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("kind")
    parser.add_argument("options")
    asked = parser.parse_args()
    asyncio.run(main(asked.kind, Options.model_validate_json(asked.options)))
