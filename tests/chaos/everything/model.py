"""The scripted models of a season: what each run is to do, what they hear of it, and the faults of their server."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.chaos.everything.season import Blow, Season
from tests.chaos.money.app import MAX_OUTPUT_TOKENS
from tether.testing.wire import (
    Answer,
    CutStream,
    ErrorInStream,
    Reply,
    Request,
    Reset,
    ScriptedCall,
    ScriptedUsage,
    Status,
)

_NOISE = 0.03
"""Of the answers fail at any time."""
_TURNS = (
    ["look"],
    ["look", "pay"],
    ["search"],
    ["pay"],
    ["send"],
    ["send", "look"],
    ["book"],
    ["book", "pay"],
    ["publish"],
    ["search", "pay", "look"],
)


@dataclass(frozen=True)
class Heard:
    """What a model was told of a call that it made: of which tool, with which argument, and what came of it."""

    tool: str
    n: int
    text: str


@dataclass(frozen=True)
class Answered:
    """A request that came: for which model, when (in seconds since the epoch), and whether it was answered well."""

    model: str
    at: float
    well: bool


class EverythingModel:
    """Answers by the run's task and how far it has come, so that a request that is made again is answered the same.

    Args:
        season: Which it plays in.

    Attributes:
        heard: What it was told, by task.
        answered: When it was asked what, in their order.
    """

    def __init__(self, season: Season) -> None:
        self._seed, self._calls_each = season.seed, season.calls
        self._faults = random.Random(season.seed)  # noqa: S311  trials, no secrets
        self._failing: Blow | None = None
        self._until = 0.0
        self.heard: dict[str, tuple[Heard, ...]] = {}
        self.answered: list[Answered] = []

    def fail(self, blow: Blow) -> None:
        """Fail from now on, for as long as the blow says."""
        self._failing, self._until = blow, time.monotonic() + blow.seconds

    def __call__(self, request: Request) -> Answer:
        """A reply, the server's refusal, or half of a reply."""
        reply = self._reply(request)
        well = self._faults.random() >= self._share(request.model)
        self.answered.append(Answered(request.model, time.time(), well=well))
        if well:
            return reply
        faults: tuple[Answer, ...] = (
            Status(500),
            Status(503),
            Status(429),
            Reset(),
            CutStream(reply),
            ErrorInStream(reply),
        )
        return self._faults.choice(faults)

    def _share(self, model: str) -> float:
        failing = self._failing
        if failing and time.monotonic() < self._until and model in (failing.models or (model,)):
            return failing.share
        return _NOISE

    def _reply(self, request: Request) -> Reply:
        task, so_far = request.user_text, len(request.tool_results)
        if so_far >= len(self.heard.get(task, ())):
            self.heard[task] = _heard(request)
        source = random.Random(f"{self._seed}/{task}/{so_far}")  # noqa: S311  as above
        enough = random.Random(f"{self._seed}/{task}").randint(*self._calls_each)  # noqa: S311  as above
        length = len(request.body) // 5
        names = [] if so_far >= enough else source.choice(_TURNS)
        return Reply(
            text="Now then. " * 8,
            calls=[ScriptedCall(name, {"n": so_far + place}) for place, name in enumerate(names)],
            usage=ScriptedUsage(
                input=length,
                output=source.randint(30, min(MAX_OUTPUT_TOKENS, _limit(request.json))),
                cached=source.randrange(length // 2) if so_far else 0,
            ),
            pause=source.uniform(0.0, 0.1),
        )


def _limit(body: Mapping[str, int]) -> int:
    return next(body[name] for name in ("max_output_tokens", "max_completion_tokens", "max_tokens") if name in body)


def _heard(request: Request) -> tuple[Heard, ...]:
    calls = {call.id: call for call in request.calls}
    return tuple(
        _one(calls[result.call_id].name, calls[result.call_id].arguments, result.text)
        for result in request.tool_results
    )


def _one(tool: str, arguments: str | dict[str, Any], text: str) -> Heard:
    given = json.loads(arguments) if isinstance(arguments, str) else arguments
    return Heard(tool, int(given["n"]), text)
