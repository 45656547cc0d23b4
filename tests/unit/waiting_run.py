"""A run that waits for people, without a server: what the workflow does with the pure rules, and nothing more.

`answer`, `finish`, `ring` and `proceed` follow `workflows/people.py` and `workflows/agent_run.py` line by line; an edit
is in two halves, since anything may happen while its evaluation is on its way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import JsonValue

from tests.unit.run_parts import LIMITS, broke, call, returned
from tether import Agent, RunContext, answers, progress, tool
from tether.answering import Refused, authorise, check, read_answer, repeated
from tether.approvals import Answer, Answered, OutcomeAnswer, Request, RequestKind
from tether.asking import next_due, request_for
from tether.contract import ToolContract
from tether.errors import ErrorKind, RunError
from tether.gate import Rules, decide, edited, permitted, read_calls
from tether.ids import content_id
from tether.model_records import DecidedCall, ModelResult
from tether.next_actions import AskPerson, End, Execute, Reconcile, Think, next_actions
from tether.permits import Terms
from tether.permitted import unmet
from tether.policy.permit import Caller, terms
from tether.policy.pinned import PinnedPolicy
from tether.progress import outcome_of
from tether.schema import InvalidArguments
from tether.start import RunInput
from tether.state import Ending, RunState
from tether.tool_records import ReconcileResult, ToolFailure, ToolInput

ToolEnd = Literal["returned", "failed", "unknown"]
SearchEnd = Literal["happened", "did_not", "unknown"]

TOOL_ENDS: tuple[ToolEnd, ...] = ("returned", "failed", "unknown")
SEARCH_ENDS: tuple[SearchEnd, ...] = ("happened", "did_not", "unknown")
BEGAN_MS = 1_800_000_000_000


@tool(effect="read")
def look_up(order_id: str, cents: int) -> str:
    """Look up an order."""
    return f"{order_id} {cents}"


@tool(effect="keyed", resource="order:{order_id}")
def refund(order_id: str, cents: int) -> str:
    """Refund an order."""
    return f"{order_id} {cents}"


@tool(effect="unsafe")
def wire(order_id: str, cents: int) -> str:
    """Wire money."""
    return f"{order_id} {cents}"


@tool(effect="keyed", requires_approval=True)
def payout(order_id: str, cents: int) -> str:
    """Pay somebody out."""
    return f"{order_id} {cents}"


AGENT = Agent(name="desk", instructions="Help.", models="openai:gpt", tools=[look_up, refund, wire, payout], plan=False)


@dataclass(frozen=True)
class Edit:
    """An approval with edits, while its evaluation is on its way."""

    answer: Answer
    tool: str
    before: dict[str, JsonValue]


class WaitingRun:
    """One run.

    Attributes:
        state: As the workflow has it.
        now_ms: The present.
        begun: The calls that were scheduled, each as its activity gets it, in their order.
        thinks: Whether the model is asked now.
        searching: Calls of which it is being found out what became of them.
    """

    def __init__(self, policy: PinnedPolicy, context: RunContext) -> None:
        self.given = RunInput(agent=AGENT.name, task="Help", context=context)
        self.state = RunState(started_ms=BEGAN_MS, head=self.given.first_head)
        self.now_ms = BEGAN_MS
        self.begun: list[ToolInput] = []
        self.flying: dict[str, ToolInput] = {}
        self.searching: list[str] = []
        self.thinks = False
        self._policy = policy
        self._caller = Caller(user=context.user, tenant=context.tenant, agent=AGENT.name)
        self._limits = LIMITS.model_copy(update={"max_steps": 1_000})
        self.proceed()

    @property
    def at_rest(self) -> bool:
        """Whether the workflow would continue as new."""
        return self.state.at_rest and self.state.ending is None

    def proceed(self) -> None:
        """Begin what is next."""
        for action in next_actions(self.state, self._limits):
            match action:
                case Execute(call_id):
                    progress.executing(self.state, call_id, acts=self.contract(call_id).effect != "read")
                    self.flying[call_id] = self._tool_input(call_id)
                    self.begun.append(self.flying[call_id])
                case AskPerson(call_id):
                    permit = self.state.call(call_id).decided.permit
                    assert permit
                    self._ask(call_id, "approval", permit.terms or Terms(), permit.reason)
                case Reconcile(call_id):
                    progress.reconciling(self.state, call_id)
                    self.searching.append(call_id)
                case Think():
                    self.state.asking = self.thinks = True
                case End(ending):
                    self.state.ending = ending
                case _:
                    raise AssertionError(f"nobody expected {action}")
        if self.state.ending:
            answers.withdrawn(self.state)

    def replies(self, *wanted: tuple[str, dict[str, JsonValue]]) -> None:
        """The model asks for these calls."""
        blocks = tuple(call(name, **arguments) for name, arguments in wanted)
        message, candidates = read_calls(blocks, AGENT.registry, self.state.counters.calls + 1)
        decided = decide(candidates, {}, Rules(self._policy, self._caller))
        self.thinks = False
        result = ModelResult(message=message, calls=decided, content=content_id(message.model_dump_json()))
        progress.thought(self.state, result, self.now_ms)
        self.proceed()

    def answer(self, model: type[Answer | OutcomeAnswer], given: Any) -> Answered | Edit:
        """Take an answer, or begin to.

        Raises:
            Refused: It may not answer.
        """
        answer = read_answer(model, given)
        if known := repeated(self.state, answer):
            return known
        check(self.state, self.given.context, answer, self.now_ms)
        if isinstance(answer, OutcomeAnswer):
            taken = answers.outcome_said(self.state, answer, self.now_ms)
        elif answer.verdict == "deny":
            taken = answers.denied(self.state, answer, self.now_ms)
        elif answer.edits:
            asked = self.state.call(answer.call)
            return Edit(answer, asked.decided.tool, dict(asked.arguments))
        else:
            taken = answers.approved(self.state, answer, self.now_ms)
        self.proceed()
        return taken

    def finish(self, edit: Edit) -> Answered:
        """The evaluation of an edit is back.

        Raises:
            Refused: It can't be used, or may not be any more.
        """
        answer = edit.answer
        if self.state.ending:
            raise Refused("run_ended", "the run ended meanwhile")
        decided = self._evaluated(edit)
        request = check(self.state, self.given.context, answer, self.now_ms)
        changes = answers.changes_between(edit.before, decided.arguments or {})
        asked = answers.edited(self.state, answer.call, decided)
        permit = decided.permit
        assert permit
        if permit.verdict == "allow" or self._suffices(answer, permit.terms or Terms(), request):
            taken = answers.approved(self.state, answer, self.now_ms, changes=changes)
        else:
            following = request_for(
                "approval",
                asked,
                self.contract(answer.call),
                self.given,
                permit.terms or Terms(),
                why=permit.reason,
                reason=request.reason,
                now_ms=self.now_ms,
            )
            taken = answers.revised(self.state, answer, self.now_ms, following)
        self.proceed()
        return taken

    def ring(self) -> None:
        """Whatever was due by now is done."""
        for waiting in self.state.waiting:
            asked = self.state.call(waiting.call)
            while asked.request and (due := next_due(asked.request)).at_ms <= self.now_ms:
                assert due.kind == "expired" or due.at_ms < waiting.deadline_ms, "nobody hears of what is over"
                answers.due(self.state, waiting.call, due.kind, self.now_ms)
        self.proceed()

    def executed(self, call_id: str, end: ToolEnd) -> str:
        """A call's activity gets to its turn and ends so; says why it was not executed, if it wasn't."""
        given = self.flying.pop(call_id)
        why = unmet(given, self.contract(call_id), self.now_ms)
        if why:
            told = outcome_of(call_id, RunError(kind=ErrorKind.DENIED, message=why))
            progress.call_failed(self.state, call_id, ToolFailure(outcome=told, effect="not_done"), self.now_ms)
        elif end == "returned":
            progress.called(self.state, call_id, returned(), self.now_ms)
        else:
            kind = ErrorKind.UNKNOWN_EFFECT if end == "unknown" else ErrorKind.TOOL_FAILED
            progress.call_failed(self.state, call_id, broke(call_id, kind), self.now_ms)
        self.proceed()
        return why

    def searched(self, call_id: str, end: SearchEnd) -> None:
        """The search for what became of a call ends so."""
        self.searching.remove(call_id)
        found = ReconcileResult(verdict=end, content="" if end != "happened" else content_id("ok"), why="no trace")
        progress.reconciled(self.state, call_id, found, self.now_ms)
        if end == "unknown" and self.state.ending is None:
            asked = terms(self._policy, self._policy.ask, self.given.context.tenant)
            self._ask(call_id, "outcome", asked, self.state.call(call_id).doubt)
        self.proceed()

    def cancel(self) -> None:
        """The run is cancelled: what flies still lands."""
        answers.withdrawn(self.state)
        self.state.ending = Ending(outcome="cancelled", why="the run was cancelled")

    def continue_as_new(self) -> None:
        """Go on in the next run of the chain, which has only what was carried over."""
        self.state = RunState.model_validate_json(self.state.model_dump_json(exclude_defaults=True))
        self.proceed()

    def contract(self, call_id: str) -> ToolContract:
        """The contract of a call's tool."""
        found = AGENT.registry.find(self.state.call(call_id).decided.tool)
        assert found
        return found.contract

    def _ask(self, call_id: str, kind: RequestKind, asked: Terms, why: str) -> None:
        contract = self.contract(call_id)
        about = self.state.call(call_id)
        request = request_for(kind, about, contract, self.given, asked, why=why, reason="", now_ms=self.now_ms)
        answers.asked(self.state, call_id, request, acts=contract.effect != "read")

    def _evaluated(self, edit: Edit) -> DecidedCall:
        found = AGENT.registry.find(edit.tool)
        assert found
        try:
            candidate = edited(edit.answer.call, found, {**edit.before, **edit.answer.edits})
        except InvalidArguments as error:
            raise Refused("invalid_answer", str(error)) from None
        decided = permitted(candidate, "", Rules(self._policy, self._caller))
        if decided.permit is None or decided.permit.verdict == "deny":
            raise Refused("invalid_answer", "the policy denies the edited call")
        return decided

    def _suffices(self, answer: Answer, asked: Terms, request: Request) -> bool:
        changed = {"terms": asked, "escalated": request.escalated and asked == request.terms}
        try:
            authorise(request.model_copy(update=changed), self.given.context, answer.by)
        except Refused:
            return False
        return True

    def _tool_input(self, call_id: str) -> ToolInput:
        about = self.state.call(call_id)
        assert about.decided.permit
        return ToolInput(
            agent=AGENT.name,
            call=call_id,
            turn=self.state.turn,
            index=about.index,
            arguments=about.arguments,
            digest=about.decided.digest,
            contract=self.contract(call_id).digest,
            active_ms=1_000,
            first_run="r1",
            context=self.given.context,
            permit=about.decided.permit,
            policy=self._policy.digest,
            approval=about.approval,
        )
