"""A worker process that comes to harm where money is: the product's own worker, with its doom put round it."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

import asyncpg  # type: ignore[import-untyped]  # noqa: F401  loaded once, before the workers are forked
import sqlalchemy.dialects.postgresql.asyncpg  # noqa: F401  as above

from tests.chaos.lines import append
from tests.chaos.money.app import served
from tests.chaos.money.season import Doom, Place
from tests.chaos.worker import forked, freeze, settle_in, when_ready
from tether.adapters.connection import connect
from tether.adapters.providers.openai_responses import OpenAIResponses
from tether.adapters.settings import Settings
from tether.adapters.store.books import PostgresBooks  # noqa: F401  as above
from tether.adapters.store.ledger import PostgresLedger
from tether.adapters.store.migrate import check  # noqa: F401  as above
from tether.budget.draws import Draw, Drawn
from tether.provider import ModelReply
from tether.value import Value
from tether.workers.bootstrap import run_worker


class Working(Value):
    """What a worker needs.

    Attributes:
        folder: Of the season.
        address: Of the Temporal server.
        settings: Of the worker.
        cap: That its app's budgets name.
        doom: What befalls it; None for nothing.
    """

    folder: Path
    address: str
    settings: dict[str, Any]
    cap: int
    doom: Doom | None = None


class Sign(Value):
    """A worker serves, or is about to suffer its doom."""

    what: Literal["ready", "struck"]
    pid: int
    at: float


def started(working: Working) -> BaseProcess:
    """A worker in a process of its own."""
    return forked(_serve, working)


def sign(folder: Path, what: Literal["ready", "struck"], pid: int = 0) -> None:
    """Say where a worker is; by default this one."""
    append(folder / "signs", Sign(what=what, pid=pid or os.getpid(), at=time.time()))


def _serve(working: Working) -> None:
    settle_in(working.folder)
    when_ready(lambda: sign(working.folder, "ready"))
    fate = _Fate(working)
    _place(fate)
    asyncio.run(_work(working, fate))


async def _work(working: Working, fate: _Fate) -> None:
    client = await connect(address=working.address, namespace="default")
    app = served(working.folder, fate.reach, working.cap)
    await run_worker(app, Settings(**working.settings), client, stop=asyncio.Event())


class _Fate:
    def __init__(self, working: Working) -> None:
        self._folder = working.folder
        self._doom = working.doom
        self._passed: Counter[Place] = Counter()

    def reach(self, place: Place) -> None:
        """Come to a place, where the doom may wait."""
        self._passed[place] += 1
        doom = self._doom
        if doom is None or doom.place != place or self._passed[place] <= doom.passes:
            return
        self._doom = None
        sign(self._folder, "struck")
        if doom.how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        else:
            freeze()


def _place(fate: _Fate) -> None:
    draw, complete = PostgresLedger.draw, OpenAIResponses.complete

    async def drawn(self: PostgresLedger, given: Draw) -> Drawn:
        fate.reach("before_draw")
        answer = await draw(self, given)
        fate.reach("on_settling" if given.final else "after_draw")
        return answer

    async def completed(self: OpenAIResponses, *arguments: Any) -> ModelReply:
        fate.reach("before_request")
        reply = await complete(self, *arguments)
        fate.reach("after_reply")
        return reply

    patch.object(PostgresLedger, "draw", drawn).start()
    patch.object(OpenAIResponses, "complete", completed).start()
