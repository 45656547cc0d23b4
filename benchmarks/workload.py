"""Workload A(n): n turns of one streamed model call and one tool call; the last turn's model call answers."""

from __future__ import annotations

import re

from tether import Agent, App, tool
from tether.limits import LimitOverrides
from tether.testing.wire import Answer, Reply, Request, ScriptedCall, Stall

MODEL = "gpt-5.2"
INSTRUCTIONS = "You look up records one after the other, and in the end you say what you found."
MAX_OUTPUT_TOKENS = 4_000
SAID = ("The next record is needed before anything can be said of the whole, so I look it up now. " * 4)[:300]
RECORD = ("name: Ada Example; street: Example Street 17; orders: 3; open: 1; paid: 129.00 EUR; note: none. " * 11)[
    :1000
]

_TASK = re.compile(rb'Go through (\d+) records[^"]*')
_LAST_RESULT = b'"tool_call_id":"call_'
_NUMBER = re.compile(rb"\d+")
_PLACE_OF_TASK = 4_096


@tool(effect="read")
async def look_up(record: int) -> str:
    """Look up a record.

    Args:
        record: Its number.
    """
    return f"record {record}: {RECORD}"


AGENT = Agent(name="clerk", instructions=INSTRUCTIONS, models=f"openai-chat:{MODEL}", tools=[look_up], plan=False)
APP = App(agents=[AGENT])


def task(turns: int, name: str = "") -> str:
    """The task of A(n)."""
    return f"Go through {turns} records.{name}"


def limits(turns: int) -> LimitOverrides:
    """Limits that A(n) stays within, on a slow machine too."""
    return LimitOverrides(max_steps=turns + 1, timeout=3_600)


def answer(request: Request) -> Reply:
    """What the scripted model says: it reads the turn from the last result, so that it needs no memory of runs."""
    asked = _TASK.search(request.body[:_PLACE_OF_TASK])
    assert asked
    turns = int(asked[1])
    turn = 1 + _last_turn(request.body)
    if turn >= turns:
        return Reply(text=f"{SAID} That was all.")
    return Reply(text=SAID, calls=(ScriptedCall(look_up.name, {"record": turn}, id=f"call_{turn}"),))


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
