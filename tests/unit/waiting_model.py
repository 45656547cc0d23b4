"""What may happen to the calls of a run that waits for people, said a second time and without the product's rules."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Literal

from pydantic import JsonValue

from tests.unit.waiting_book import ACTS, ROLES, Asking, Book
from tests.unit.waiting_run import SearchEnd, ToolEnd
from tether.actors import Actor
from tether.approvals import Answer, OutcomeAnswer

Place = Literal["settled", "approval", "outcome", "withdrawn", "free", "running", "searched"]


@dataclass
class Case:
    """One call."""

    tool: str
    arguments: dict[str, JsonValue]
    place: Place
    asking: Asking | None = None
    asked_ms: int = 0
    escalated: bool = False
    revisions: Counter[str] = field(default_factory=Counter)
    valid_until: int | None = None
    touched: bool = False

    def is_escalated(self, now: int) -> bool:
        """Whether it went to further roles before its deadline; a clock that rings late changes nothing of that."""
        assert self.asking
        due = self.asked_ms + self.asking.escalate * 60_000
        return self.escalated or (bool(self.asking.escalate) and due <= now and due < self.deadline_ms)

    @property
    def deadline_ms(self) -> int:
        """When nobody may answer any more."""
        assert self.asking
        return self.asked_ms + self.asking.deadline * 60_000


class Model:
    """One run, as it has to be."""

    def __init__(self, book: Book, requester: str, starter: str, remembers: int) -> None:
        self.book = book
        self.cases: dict[str, Case] = {}
        self.effects: Counter[str] = Counter()
        self.answers: deque[tuple[str, str, str]] = deque(maxlen=remembers)
        self.ended = False
        self._requester = requester
        self._starter = starter

    def waiting(self) -> dict[str, Case]:
        """What waits for a person."""
        return {call: case for call, case in self.cases.items() if case.place in {"approval", "outcome"}}

    def calls_at(self, place: Place) -> set[str]:
        """The calls that are there."""
        return {call for call, case in self.cases.items() if case.place == place}

    def people_for(self, call: str, now: int) -> list[str]:
        """Who may answer for a call that waits."""
        case = self.cases[call]
        assert case.asking
        return [person for person in ROLES if self._may(person, case.asking, escalated=case.is_escalated(now))]

    def asked_for(self, call: str, tool: str, arguments: dict[str, JsonValue], now: int) -> None:
        """The model asks for a call."""
        cents = arguments.get("cents")
        case = self.cases[call] = Case(tool, arguments, "settled")
        if tool in self.book.table and isinstance(cents, int):
            said = self.book.says(tool, cents)
            if said == "allow":
                case.place = "free"
            elif said:
                self._ask(case, "approval", said, now)

    def wrong(self, answer: Answer | OutcomeAnswer, digest: str, now: int) -> set[str]:
        """Every reason to refuse an answer.

        Args:
            answer: What is said.
            digest: Of the arguments that are asked about.
            now: The present.
        """
        case = self.cases.get(answer.call)
        kind = "approval" if isinstance(answer, Answer) else "outcome"
        if case is None or case.place not in {"approval", "outcome"} or case.asking is None:
            return {self._last(answer.call)}
        if case.place != kind:
            return {"invalid_answer"}
        found = self._wrong_with(answer.by, case, now)
        if now >= case.deadline_ms and answer.verdict != "deny":
            found.add("expired")
        revision = case.revisions[kind]
        if isinstance(answer, OutcomeAnswer):
            right = answer.revision == revision or (answer.revision == 0 and revision == 1)
            return found if right else found | {"already_answered"}
        if answer.digest != digest and (answer.digest or revision > 1):
            found.add("changed_arguments")
        if answer.edits and answer.verdict == "deny":
            found.add("invalid_answer")
        return found

    def unusable(self, tool: str, arguments: dict[str, JsonValue]) -> bool:
        """Whether nobody may edit a call to be so."""
        cents = arguments["cents"]
        if set(arguments) != {"order_id", "cents"} or not isinstance(cents, int):
            return True
        return self.book.says(tool, cents) is None

    def approved(self, answer: Answer, now: int) -> None:
        """An approval was taken."""
        case = self._answered(answer.call, "approve", answer.id)
        self._grant(case, case.asking, now)

    def denied(self, answer: Answer) -> None:
        """A denial was taken."""
        self._settle(self._answered(answer.call, "deny", answer.id), "not_done")

    def edited(self, answer: Answer, arguments: dict[str, JsonValue], now: int) -> None:
        """An approval with edits was taken: it stands, or somebody else is asked."""
        case = self._answered(answer.call, "approve", answer.id)
        before = case.asking
        case.arguments = arguments
        cents = arguments["cents"]
        assert isinstance(cents, int)
        said = self.book.says(case.tool, cents)
        assert said
        assert before
        assert answer.by
        if said == "allow":
            self._grant(case, None, now)
        elif self._may(answer.by.id, said, escalated=case.is_escalated(now) and said == before):
            self._grant(case, said, now)
        else:
            self._ask(case, "approval", said, now)

    def told(self, answer: OutcomeAnswer) -> None:
        """A person said what became of a call."""
        case = self._answered(answer.call, answer.verdict, answer.id)
        if answer.verdict == "did_not":
            case.place = "free"
            return
        self._settle(case, "done" if answer.verdict == "happened" else "unknown")
        if answer.verdict == "stop":
            self.end()

    def rings(self, now: int) -> None:
        """Whatever was due by now is done."""
        stopped = False
        for call, case in self.waiting().items():
            asking = case.asking
            assert asking
            case.escalated = case.is_escalated(now)
            if case.deadline_ms > now:
                continue
            self._answered(call, "expired", "")
            if case.place == "outcome":
                self._settle(case, "unknown")
                stopped = True
            elif asking.default_allows:
                self._grant(case, asking, now)
            else:
                self._settle(case, "not_done")
        if stopped:
            self.end()

    def begins(self, call: str, arguments: dict[str, JsonValue]) -> None:
        """A call is scheduled: it must be free to be, with just these arguments."""
        case = self.cases[call]
        assert case.place == "free", f"{call} was executed while it was {case.place}"
        assert not self.ended, f"{call} was executed after the end"
        assert arguments == case.arguments, f"{call} was executed with other arguments"
        case.place, case.touched = "running", True

    def executes(self, call: str, end: ToolEnd, now: int) -> bool:
        """A call's activity gets to its turn; whether it may still be executed then."""
        case = self.cases[call]
        fresh = case.valid_until is None or now <= case.valid_until
        if not fresh or end == "failed":
            self._settle(case, "not_done")
        elif end == "returned":
            self._settle(case, "done")
        else:
            case.place = "searched"
        return fresh

    def searched(self, call: str, end: SearchEnd, now: int) -> None:
        """It was searched for what became of a call."""
        case = self.cases[call]
        if end == "happened":
            self._settle(case, "done")
        elif end == "did_not":
            case.place = "free"
        elif not self.ended:
            self._ask(case, "outcome", self.book.usual, now)

    def end(self) -> None:
        """Nobody is asked any more, and nothing is begun."""
        self.ended = True
        for case in self.waiting().values():
            case.place = "withdrawn"

    def _last(self, call: str) -> str:
        said = [verdict for answered, verdict, _ in self.answers if answered == call]
        if not said:
            return "unknown_call"
        return "expired" if said[-1] == "expired" else "already_answered"

    def _wrong_with(self, by: Actor | None, case: Case, now: int) -> set[str]:
        assert case.asking
        if by is None or by.id.strip() in {"", "anonymous", "policy"} or by.tenant != "default":
            return {"unauthorised"}
        if by.channel == "worker":
            return {"unauthorised"}
        if self._may(by.id, case.asking, escalated=case.is_escalated(now)):
            return set()
        return {"requester" if by.id == self._requester else "starter" if by.id == self._starter else "unauthorised"}

    def _may(self, person: str, asking: Asking, *, escalated: bool) -> bool:
        if asking.starter_may and person == self._starter:
            return True
        if person in {self._requester, self._starter}:
            return False
        wanted = asking.roles | (asking.further if escalated else frozenset())
        return not asking.roles or bool(wanted & ROLES.get(person, set()))

    def _ask(self, case: Case, kind: Literal["approval", "outcome"], asking: Asking, now: int) -> None:
        case.place, case.asking, case.asked_ms, case.escalated = kind, asking, now, False
        case.revisions[kind] += 1
        case.touched = True

    def _grant(self, case: Case, asking: Asking | None, now: int) -> None:
        case.place = "free"
        case.valid_until = now + asking.valid * 60_000 if asking else None

    def _answered(self, call: str, verdict: str, answer_id: str) -> Case:
        self.answers.append((call, verdict, answer_id))
        return self.cases[call]

    def _settle(self, case: Case, became: str) -> None:
        case.place = "settled"
        if case.tool in ACTS:
            self.effects[became] += 1

    def acting(self) -> int:
        """Calls that act, and that somebody was asked about or that were begun."""
        return sum(case.tool in ACTS and case.touched for case in self.cases.values())
