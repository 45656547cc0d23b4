"""Random lives of a run that waits for people: no effect without a valid decision, and what is refused changes nothing.

`WaitingRun` is the product's rules, `Model` says independently what may happen; they have to agree after each step.
"""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.unit import waiting_draws as draws
from tests.unit.run_parts import LIMITS
from tests.unit.waiting_book import REQUESTER, STARTER
from tests.unit.waiting_draws import Fate, Turn, What, Words
from tests.unit.waiting_model import Model
from tests.unit.waiting_run import BEGAN_MS, Edit, ToolEnd, WaitingRun
from tether import RunContext
from tether.actors import Actor
from tether.answering import Refused
from tether.approvals import Answer, Answered, OutcomeAnswer
from tether.ending import result_of
from tether.ids import arguments_digest
from tether.next_actions import End, next_actions
from tether.result import EffectCounts
from tether.state import MAX_REMEMBERED, Ending

MINUTE = 60_000
ENOUGH_AFTER_THE_END = 6
REMEMBERS = 12
"""Answers: so few that a run forgets some."""

chances = st.randoms(use_true_random=True)


class LifeOfARun(RuleBasedStateMachine):
    """A run, its people, its worker and its clocks."""

    def __init__(self) -> None:
        super().__init__()
        self.patched = pytest.MonkeyPatch()

    def teardown(self) -> None:
        """What was patched is as it was."""
        self.patched.undo()

    @initialize(chance=chances)
    def starts(self, chance: Random) -> None:
        book, starter = draws.book(chance), chance.choice((STARTER, STARTER, ""))
        context = RunContext(user=REQUESTER, starter=starter)
        self.run = WaitingRun(book.policy(), context)
        self.model = Model(book, REQUESTER, starter or REQUESTER, REMEMBERS)
        self.patched.setattr("tether.answers.MAX_REMEMBERED", REMEMBERS)
        self.edits: list[Edit] = []
        self.taken: list[Answer | OutcomeAnswer] = []
        self.after_the_end = 0
        self.searched_at_end: set[str] | None = None
        self.digests: list[str] = ["0" * 16]
        self._replied(draws.turn(chance))

    @rule(chance=chances)
    def something_happens(self, chance: Random) -> None:
        """One rule: hypothesis leaves rules out of whole examples; a run without replies or answers goes nowhere."""
        self.after_the_end += self.model.ended
        if self.after_the_end > ENOUGH_AFTER_THE_END:
            return
        self.searched_at_end = set(self.run.searching) if self.model.ended else None
        what = draws.what(chance, self._possible())
        note(f"{what} at {self.run.now_ms - BEGAN_MS} ms")
        match what:
            case "goes on":
                self._goes_on(chance.choice([*self.edits * 4, *self._under_way()]), draws.fate(chance))
            case "answer":
                self._asked_is_answered(chance, draws.words(chance))
            case "stray":
                words, kind = draws.words(chance), chance.choice(("approval", "outcome"))
                self._answer(self._said(kind, chance.choice([*list(self.model.cases)[-6:], "c999"]), words.by, words))
            case "again":
                self._answer(chance.choice(self.taken))
            case "time":
                self._time_passes(chance, draws.fate(chance))
            case "continues":
                before = self.run.state
                self.run.continue_as_new()
                assert self.run.state == before
            case "rubbish":
                model, raw = chance.choice(draws.RUBBISH)
                self._refused({"invalid_answer"}, lambda: self.run.answer(model, raw))
            case "cancelled":
                self.run.cancel()
                self.model.end()

    @invariant()
    def only_what_was_decided_is_begun(self) -> None:
        for given in self.run.begun:
            self.model.begins(given.call, given.arguments)
            assert given.digest == arguments_digest(self.model.cases[given.call].tool, given.arguments)
        self.run.begun.clear()

    @invariant()
    def what_waits_is_what_has_to(self) -> None:
        expected = {
            (call, case.place, case.revisions[case.place], case.deadline_ms, case.escalated)
            for call, case in self.model.waiting().items()
        }
        assert expected == {
            (request.call, request.kind, request.revision, request.deadline_ms, request.escalated)
            for request in self.run.state.waiting
        }
        for request in self.run.state.waiting:
            assert request.digest == arguments_digest(request.tool, self.model.cases[request.call].arguments)
            if request.digest not in self.digests:
                self.digests.append(request.digest)

    @invariant()
    def effects_are_counted_once(self) -> None:
        self.only_what_was_decided_is_begun()
        state = self.run.state
        assert state.counters.effects == EffectCounts(**self.model.effects)
        ending = state.ending or Ending(outcome="cancelled", why="it stops here")
        now = datetime.fromtimestamp(self.run.now_ms / 1000, tz=UTC)
        counts = result_of(self.run.given, state, ending, run="r", version="v", now=now).effects
        assert counts.done + counts.not_done + counts.unknown == self.model.acting()

    @invariant()
    def what_may_go_on_does(self) -> None:
        """Whatever waits beside it."""
        if not self.model.ended:
            assert not self.model.calls_at("free")
            assert self.model.calls_at("running") == set(self.run.flying)
            assert self.model.calls_at("searched") == set(self.run.searching)

    @invariant()
    def the_end_is_the_end(self) -> None:
        state = self.run.state
        assert (state.ending is not None) == self.model.ended
        if state.ending:
            assert not state.waiting
            assert all(isinstance(action, End) for action in next_actions(state, LIMITS))
        if self.searched_at_end is not None:
            assert set(self.run.searching) <= self.searched_at_end

    @invariant()
    def what_is_remembered_is_bounded(self) -> None:
        state = self.run.state
        assert len(state.answered) <= REMEMBERS
        assert len(state.effects) <= MAX_REMEMBERED
        assert [(known.call, known.verdict, known.id) for known in state.answered] == list(self.model.answers)

    def _possible(self) -> set[What]:
        waiting = bool(self.run.state.waiting)
        can: dict[What, bool] = {
            "goes on": bool(self._under_way()),
            "answer": waiting,
            "stray": True,
            "again": bool(self.taken),
            "time": waiting or bool(self.run.flying),
            "continues": self.run.at_rest and not self.edits,
            "rubbish": True,
            "cancelled": not self.model.ended,
        }
        return {what for what, is_so in can.items() if is_so}

    def _goes_on(self, landing: Edit | str | None, fate: Fate) -> None:
        """The model replies; or an edit is evaluated, a call ends, or the search for what became of one."""
        if landing is None:
            self._replied(fate.calls)
        elif isinstance(landing, Edit):
            self._evaluated(landing)
        elif landing in self.run.flying:
            self._executed(landing, fate.end)
        else:
            self.model.searched(landing, fate.found, self.run.now_ms)
            self.run.searched(landing, fate.found)

    def _time_passes(self, chance: Random, fate: Fate) -> None:
        """Some minutes, or until just before, at or after a moment that matters; clocks may ring late."""
        waiting = self.run.state.waiting
        moments = [self.run.now_ms + fate.minutes * MINUTE]
        moments += [request.asked_ms + request.terms.escalate_ms for request in waiting]
        moments += [request.deadline_ms for request in waiting[:1]]
        self.run.now_ms = max(self.run.now_ms, chance.choice(moments) + fate.beside_ms)
        if not fate.late:
            self.run.ring()
            self.model.rings(self.run.now_ms)

    def _asked_is_answered(self, chance: Random, words: Words) -> None:
        """By somebody who may, or by anybody; what was asked anew more often than the rest."""
        waiting = self.run.state.waiting
        request = chance.choices(waiting, [request.revision**3 for request in waiting])[0]
        may = self.model.people_for(request.call, self.run.now_ms)
        by = Actor(id=chance.choice(may)) if may and words.rightly else words.by
        self._answer(self._said(request.kind, request.call, by, words))

    def _said(self, kind: str, call: str, by: Actor, words: Words) -> Answer | OutcomeAnswer:
        if kind == "outcome":
            present = next((request.revision for request in self.run.state.waiting if request.call == call), 0)
            revision = words.revision if words.revision >= 0 else present
            return OutcomeAnswer(call=call, verdict=words.outcome, by=by, revision=revision, id=words.own_id)
        digests = [self._digest(call), "", *self.digests[::-1]]
        digest = digests[min(words.looked, len(digests) - 1)]
        return Answer(call=call, verdict=words.verdict, by=by, digest=digest, edits=words.edits, id=words.own_id)

    def _digest(self, call: str) -> str:
        return next((request.digest for request in self.run.state.waiting if request.call == call), "")

    def _under_way(self) -> list[Edit | str | None]:
        thinks = [None] if self.run.thinks and not self.model.ended else []
        return [*thinks, *self.edits, *self.run.flying, *self.run.searching]

    def _replied(self, calls: Turn) -> None:
        for number, (tool, arguments) in enumerate(calls, start=self.run.state.counters.calls + 1):
            self.model.asked_for(f"c{number}", tool, arguments, self.run.now_ms)
        self.run.replies(*calls)

    def _executed(self, call: str, end: ToolEnd) -> None:
        fresh = self.model.executes(call, end, self.run.now_ms)
        why = self.run.executed(call, end)
        assert (not why) == fresh, why

    def _evaluated(self, edit: Edit) -> None:
        self.edits.remove(edit)
        answer, arguments = edit.answer, {**edit.before, **edit.answer.edits}
        wrong = self.model.wrong(answer, self._digest(answer.call), self.run.now_ms)
        if self.model.unusable(edit.tool, arguments):
            wrong.add("invalid_answer")
        if self.model.ended:
            wrong = {"run_ended"}
        if wrong:
            self._refused(wrong, lambda: self.run.finish(edit))
            return
        self.model.edited(answer, arguments, self.run.now_ms)
        self._was_taken(answer, self.run.finish(edit))

    def _answer(self, answer: Answer | OutcomeAnswer) -> None:
        model, given = type(answer), answer.model_dump(mode="json", exclude_defaults=True)
        known = [first for first in self.run.state.answered if answer.id and first.id == answer.id]
        if known:
            before = self.run.state.model_dump_json()
            assert self.run.answer(model, given) == known[0]
            assert self.run.state.model_dump_json() == before
            return
        wrong = self.model.wrong(answer, self._digest(answer.call), self.run.now_ms)
        if wrong:
            self._refused(wrong, lambda: self.run.answer(model, given))
            return
        taken = self.run.answer(model, given)
        if isinstance(taken, Edit):
            self.edits.append(taken)
            return
        self._was_taken(answer, taken)
        if isinstance(answer, OutcomeAnswer):
            self.model.told(answer)
        elif answer.verdict == "deny":
            self.model.denied(answer)
        else:
            self.model.approved(answer, self.run.now_ms)

    def _was_taken(self, answer: Answer | OutcomeAnswer, taken: Answered) -> None:
        assert (taken.call, taken.verdict, taken.by) == (answer.call, answer.verdict, _remembered(answer.by))
        assert (taken.at_ms, taken.id) == (self.run.now_ms, answer.id)
        self.taken.append(answer)

    def _refused(self, kinds: set[str], act: Any) -> None:
        before = self.run.state.model_dump_json()
        with pytest.raises(Refused) as refused:
            act()
        assert refused.value.refusal.kind in kinds
        assert self.run.state.model_dump_json() == before


def _remembered(by: Actor | None) -> Actor | None:
    return by.model_copy(update={"roles": (), "proof": ""}) if by else None


TestLifeOfARun = LifeOfARun.TestCase
TestLifeOfARun.settings = settings(
    max_examples=240, stateful_step_count=60, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
