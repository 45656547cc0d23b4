"""What the scripted model says in workload A, and where leave is asked.

Apart from the workload, so that no worker has to import the fake.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from benchmarks.apps import WITH_LEAVE, pay
from benchmarks.workload import MAX_OUTPUT_TOKENS, SAID, look_up
from tether.testing.wire import Answer, Reply, Request, ScriptedCall, ScriptedUsage, Stall

_TASK = re.compile(rb'Go through (\d+) records[^"]*')
_LAST_RESULT = b'"tool_call_id":"call_'
BYTES_A_TOKEN = 4
_NUMBER = re.compile(rb"\d+")
_PLACE_OF_TASK = 4_096


def answer(request: Request) -> Reply:
    """What the scripted model says: it reads the turn from the last result, so that it needs no memory of runs."""
    asked = _TASK.search(request.body[:_PLACE_OF_TASK])
    assert asked
    turns = int(asked[1])
    turn = 1 + _last_turn(request.body)
    if turn >= turns:
        return Reply(text=f"{SAID} That was all.")
    called = pay if asked[0].endswith(WITH_LEAVE.encode()) else look_up
    return Reply(text=SAID, calls=(ScriptedCall(called.name, {"record": turn}, id=f"call_{turn}"),))


@dataclass(frozen=True)
class Counting:
    """Says the same, and reports what it has read and written.

    Attributes:
        written: Tokens of each reply.
    """

    written: int = len(SAID) // BYTES_A_TOKEN

    def __call__(self, request: Request) -> Reply:
        """The answer with its usage; nothing comes from a cache."""
        usage = ScriptedUsage(input=len(request.body) // BYTES_A_TOKEN, output=self.written)
        return replace(answer(request), usage=usage)


WORDY = Counting(MAX_OUTPUT_TOKENS)
"""Each of its replies is as long as it may be, by what it reports."""


@dataclass(frozen=True)
class Slow:
    """Says the same, after a while.

    Attributes:
        seconds: How long it takes for each reply.
    """

    seconds: float

    def __call__(self, request: Request) -> Answer:
        """The answer, later."""
        return Stall(seconds=self.seconds, reply=answer(request))


class Stalling:
    """Says the same, but falls silent once in the middle of each run's second turn: there its worker can be killed."""

    def __init__(self) -> None:
        self._stalled: set[bytes] = set()

    def __call__(self, request: Request) -> Answer:
        """The answer, or the silence."""
        reply, asked = answer(request), _TASK.search(request.body[:_PLACE_OF_TASK])
        assert asked
        if _last_turn(request.body) != 1 or asked[0] in self._stalled:
            return reply
        self._stalled.add(asked[0])
        return Stall(seconds=60, after_events=3, reply=reply)


def _last_turn(body: bytes) -> int:
    place = body.rfind(_LAST_RESULT)
    number = _NUMBER.match(body, place + len(_LAST_RESULT)) if place >= 0 else None
    return int(number[0]) if number else 0
