"""What may happen to a run that waits for people, drawn at random.

By `Random` and not by hypothesis's own strategies: those repeat themselves within and across examples, so that what
takes several steps (a call edited into one that another has to allow, say, and then answered) hardly ever came.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from random import Random
from typing import Any, Literal, NamedTuple, TypeAlias

from tests.unit.waiting_book import LARGE, MIDDLE, ROLES, Asking, Book
from tests.unit.waiting_run import SEARCH_ENDS, TOOL_ENDS, SearchEnd, ToolEnd
from tether.actors import Actor
from tether.approvals import Answer, AnswerVerdict, OutcomeAnswer, OutcomeVerdict

Turn: TypeAlias = list[tuple[str, dict[str, Any]]]
What: TypeAlias = Literal["goes on", "answer", "stray", "again", "time", "continues", "rubbish", "cancelled"]

SUMS = (5, MIDDLE, MIDDLE + 1, LARGE, LARGE + 1)
SOME_ROLES = tuple(map(frozenset[str], (["lead"], ["finance"], ["boss", "finance"], ["nobody"], [])))
ACTORS = (
    *(Actor(id=person) for person in ROLES for _ in range(2)),
    Actor(id="u-99"),
    Actor(id="u-99", roles=("lead", "finance", "boss"), proof="signed"),
    Actor(id="u-43", tenant="other"),
    Actor(id="u-43", channel="worker"),
    Actor(id="policy", channel="worker"),
    Actor(id="policy"),
    Actor(id="anonymous"),
    Actor(id=" "),
)
RUBBISH: tuple[tuple[type[Answer | OutcomeAnswer], Any], ...] = tuple(
    (model, raw)
    for model in (Answer, OutcomeAnswer)
    for raw in (None, "yes", {}, {"call": "c1"}, {"call": "c1", "verdict": "maybe"}, {"verdict": "approve"})
)
OUTCOMES: tuple[OutcomeVerdict, ...] = ("happened", "did_not", "did_not", "did_not", "did_not", "did_not", "stop")
HOW_OFTEN: dict[What, int] = {
    "goes on": 64,
    "answer": 80,
    "stray": 8,
    "again": 8,
    "time": 14,
    "continues": 12,
    "rubbish": 2,
    "cancelled": 1,
}


class Words(NamedTuple):
    """An answer.

    Attributes:
        by: Who gives it, if not somebody who may.
        rightly: Whether somebody who may gives it.
        looked: At which arguments: 0 for the present ones, 1 for not said, above for earlier ones.
        revision: -1 for the present one.
    """

    by: Actor
    rightly: bool
    verdict: AnswerVerdict
    looked: int
    edits: dict[str, Any]
    outcome: OutcomeVerdict
    revision: int
    own_id: str


class Fate(NamedTuple):
    """How things end, and when."""

    calls: Turn
    end: ToolEnd
    found: SearchEnd
    minutes: int
    beside_ms: int
    late: bool


def book(chance: Random) -> Book:
    """A policy: most calls are asked about."""
    tools = ("look_up", "refund", "wire", "payout")
    return Book(table={tool: _bands(chance) for tool in tools}, usual=_asking(chance, chance.choice(SOME_ROLES)))


def turn(chance: Random) -> Turn:
    """What the model asks for: some of it can't be."""
    return [_wanted(chance) for _ in range(chance.randint(1, 4))]


def what(chance: Random, possible: AbstractSet[What]) -> What:
    """What happens next."""
    there_are = sorted(possible)
    return chance.choices(there_are, [HOW_OFTEN[each] for each in there_are])[0]


def words(chance: Random) -> Words:
    """An answer, to whatever."""
    edited: dict[str, Any] = {"cents": chance.choice(SUMS)}
    edits = (edited, edited, edited, edited, {"order_id": "2"}, {"cents": "many"}, {"nonsense": 1})
    return Words(
        by=chance.choice(ACTORS),
        rightly=chance.random() < 0.7,
        verdict=chance.choice(("approve", "approve", "approve", "deny")),
        looked=chance.choice((0, 0, 0, 0, 1, 1, 2, 3)),
        edits=chance.choice(edits) if chance.random() < 0.5 else {},
        outcome=chance.choice(OUTCOMES),
        revision=chance.choice((-1, -1, 0, 1, 2)),
        own_id=chance.choice(("", *[f"{chance.getrandbits(32)}"] * 4, "a", "b")),
    )


def fate(chance: Random) -> Fate:
    """How it goes on."""
    return Fate(
        calls=turn(chance),
        end=chance.choice((*TOOL_ENDS, "unknown")),
        found=chance.choice((*SEARCH_ENDS, "unknown")),
        minutes=chance.choice((0, 1, 4, 30)),
        beside_ms=chance.choice((-1, 0, 1)),
        late=chance.random() < 0.4,
    )


def _wanted(chance: Random) -> tuple[str, dict[str, Any]]:
    tool = chance.choice(("look_up", "refund", "refund", "refund", "wire", "wire", "payout", "no_such_tool"))
    return tool, {"order_id": "1", "cents": chance.choice((*SUMS, *SUMS, "many"))}


def _bands(chance: Random) -> tuple[Asking | Literal["allow"] | None, ...]:
    """Each asks others, so that an edit into another one is often not its editor's to allow."""
    return tuple(_said(chance, roles) for roles in chance.sample(SOME_ROLES, 3))


def _said(chance: Random, roles: frozenset[str]) -> Asking | Literal["allow"] | None:
    return _asking(chance, roles) if chance.random() < 0.8 else chance.choice(("allow", "allow", None))


def _asking(chance: Random, roles: frozenset[str]) -> Asking:
    return Asking(
        roles=roles,
        deadline=chance.choice((10, 60, 600, 600)),
        remind=chance.choice((0, 4, 60)),
        escalate=chance.choice((0, 5, 10, 30)),
        further=chance.choice(SOME_ROLES[:4]),
        default_allows=chance.random() < 0.5,
        starter_may=chance.random() < 0.3,
        valid=chance.choice((5, 60)),
    )
