"""What of a run waits for people: its clocks, the notices of it, and the answers."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NoReturn

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.workflow import ActivityHandle

with workflow.unsafe.imports_passed_through():
    from tether import answers
    from tether.answering import Refused, authorise, check, read_answer, repeated
    from tether.approvals import Answer, Answered, OutcomeAnswer, Request, RequestKind
    from tether.asking import DueKind, next_due, request_for
    from tether.contract import ToolContract
    from tether.manifest import Manifest
    from tether.model_records import DecidedCall
    from tether.notices import Notice, NoticeKind, Unsent
    from tether.permits import Terms
    from tether.start import RunInput
    from tether.state import RunState
    from tether.text import one_line
    from tether.workflows import calls
    from tether.workflows.clock import now_ms
    from tether.workflows.inputs import contract_of, evaluate_input

LAST_NOTICE_SECONDS = 15


class People:
    """The requests of one run.

    Args:
        given: What the run was started with.
        state: Changed by what people answer.
        stir: Called when something has changed that the run may go on by.
    """

    def __init__(self, given: RunInput, state: RunState, stir: Callable[[], None]) -> None:
        self._given = given
        self._state = state
        self._stir = stir
        self._clocks: dict[str, asyncio.Task[None]] = {}
        self._notices: dict[tuple[NoticeKind, str], asyncio.Task[None]] = {}
        self._manifest: Manifest | None = None
        self._environment = ""
        self._deciding = asyncio.Lock()
        self._evaluation: ActivityHandle[DecidedCall] | None = None
        self._over = False

    @property
    def busy(self) -> bool:
        """Whether a notice is on its way."""
        return bool(self._notices)

    def set_up(self, manifest: Manifest, environment: str) -> None:
        """Begin: what was carried over from an earlier run of the chain waits on."""
        self._manifest, self._environment = manifest, environment
        for request in self._state.waiting:
            self._start_clock(request.call)
        waiting = {request.call: request for request in self._state.waiting}
        unsent, self._state.unsent = self._state.unsent, []
        for each in unsent:
            if each.call in waiting:
                self._notify(each.kind, waiting[each.call])

    def carry(self) -> None:
        """The run continues as new: notices of what waits that are on their way would be lost with it."""
        waiting = {request.call for request in self._state.waiting}
        self._state.unsent = [Unsent(kind=kind, call=call) for kind, call in self._notices if call in waiting]

    def ask(self, call_id: str) -> None:
        """Ask whether a call may be executed."""
        permit = self._state.call(call_id).decided.permit
        terms = (permit.terms if permit else None) or Terms()
        self._ask(call_id, "approval", terms, permit.reason if permit else "")

    def ask_outcome(self, call_id: str, terms: Terms) -> None:
        """Ask what became of a call, unless the run ends."""
        if self._over:
            return
        self._ask(call_id, "outcome", terms, self._state.call(call_id).doubt)

    def stop(self) -> None:
        """The run ends: nothing is due any more, and no answer taken."""
        self._over = True
        for clock in self._clocks.values():
            clock.cancel()
        self._clocks.clear()
        if self._evaluation:
            self._evaluation.cancel()

    async def tell_the_last(self) -> None:
        """Wait a while for word of what has expired: what is on its way ends with the run."""
        last = [sending for (kind, _), sending in self._notices.items() if kind == "expired"]
        if last:
            await workflow.wait(last, timeout=LAST_NOTICE_SECONDS)

    def check(self, model: type[Answer | OutcomeAnswer], given: Any) -> None:
        """Refuse what may not answer; raised in a validator, it writes no event.

        Raises:
            ApplicationError: Its type is the refusal's kind, its details the refusal.
        """
        try:
            answer = read_answer(model, given)
            if repeated(self._state, answer) is None:
                self._check(answer)
        except Refused as refused:
            _refuse(refused)

    async def take(self, model: type[Answer | OutcomeAnswer], given: Any) -> Answered:
        """Take an answer.

        Raises:
            ApplicationError: It may not answer, or its edited arguments can't be used; nothing has changed.
        """
        try:
            answer = read_answer(model, given)
            if known := repeated(self._state, answer):
                return known
            self._check(answer)
            taken = await self._taken(answer)
        except Refused as refused:
            _refuse(refused)
        self._stop_clock_of_settled()
        self._stir()
        return taken

    async def signalled(self, model: type[Answer | OutcomeAnswer], given: Any) -> None:
        """Take an answer that came as a signal; a refusal is counted and shown, since nobody waits for it."""
        try:
            await self.take(model, given)
        except ApplicationError as error:
            self._state.refused += 1
            self._state.last_refusal = one_line(error.message, 500)
            self._stir()

    async def _taken(self, answer: Answer | OutcomeAnswer) -> Answered:
        if isinstance(answer, OutcomeAnswer):
            return answers.outcome_said(self._state, answer, now_ms())
        if answer.verdict == "deny":
            return answers.denied(self._state, answer, now_ms())
        if answer.edits:
            return await self._edited(answer)
        return answers.approved(self._state, answer, now_ms())

    async def _edited(self, answer: Answer) -> Answered:
        """Take an approval with edits: one at a time, since a task with many evaluations could be too large."""
        async with self._deciding:
            await workflow.wait_condition(lambda: self._manifest is not None or self._over)
            if known := repeated(self._state, answer):
                return known
            self._check(answer)
            return await self._decided(answer)

    def _check(self, answer: Answer | OutcomeAnswer) -> Request:
        if self._over:
            raise Refused("run_ended", "the run has ended; the answer does nothing")
        return check(self._state, self._given.context, answer, now_ms())

    async def _decided(self, answer: Answer) -> Answered:
        before = dict(self._state.call(answer.call).arguments)
        decided = await self._evaluated(answer, {**before, **answer.edits})
        request = self._check(answer)  # meanwhile another may have answered
        changes = answers.changes_between(before, decided.arguments or {})
        answers.edited(self._state, answer.call, decided)
        permit = decided.permit
        assert permit  # noqa: S101  what has none was refused
        if permit.verdict == "allow" or self._suffices(answer, permit.terms, request):
            return answers.approved(self._state, answer, now_ms(), changes=changes)
        reason = f"{request.reason} (edited by {answer.by.id if answer.by else ''})"
        following = self._request("approval", answer.call, permit.terms or Terms(), permit.reason, reason)
        taken = answers.revised(self._state, answer, now_ms(), following)
        self._restart_clock(answer.call)
        self._notify("requested", following)
        return taken

    async def _evaluated(self, answer: Answer, arguments: dict[str, Any]) -> DecidedCall:
        asked = evaluate_input(self._given, self._state, self._environment, answer.call, arguments)
        try:
            self._evaluation = calls.evaluate(asked)
            decided = await self._evaluation
        except ActivityError as error:
            if self._over:
                raise Refused("run_ended", "the run ended meanwhile; the answer does nothing") from error
            raise Refused("invalid_answer", f"the edited arguments can't be decided about: {error.cause}") from error
        finally:
            self._evaluation = None
        if decided.problem:
            raise Refused("invalid_answer", decided.problem.message)
        if decided.permit is None or decided.permit.verdict == "deny":
            why = decided.permit.reason if decided.permit else "no decision was recorded"
            raise Refused("invalid_answer", f"the policy denies the edited call: {why}")
        return decided

    def _suffices(self, answer: Answer, terms: Terms | None, request: Request) -> bool:
        """Whether who edited a call may also allow it as it is now."""
        escalated = request.escalated and terms == request.terms  # what went further by one rule did not by another
        changed = {"terms": terms or Terms(), "escalated": escalated}
        try:
            authorise(request.model_copy(update=changed), self._given.context, answer.by)
        except Refused:
            return False
        return True

    def _ask(self, call_id: str, kind: RequestKind, terms: Terms, why: str) -> None:
        request = self._request(kind, call_id, terms, why, self._state.reason)
        answers.asked(self._state, call_id, request, acts=self._contract(call_id).effect != "read")
        self._start_clock(call_id)
        self._notify("requested", request)

    def _request(self, kind: RequestKind, call_id: str, terms: Terms, why: str, reason: str) -> Request:
        call, contract = self._state.call(call_id), self._contract(call_id)
        return request_for(kind, call, contract, self._given, terms, why=why, reason=reason, now_ms=now_ms())

    def _contract(self, call_id: str) -> ToolContract:
        assert self._manifest  # noqa: S101  nobody is asked before it is known
        return contract_of(self._state, self._manifest, call_id)

    def _start_clock(self, call_id: str) -> None:
        self._clocks[call_id] = asyncio.create_task(self._clock(call_id))

    def _restart_clock(self, call_id: str) -> None:
        self._clocks.pop(call_id).cancel()
        self._start_clock(call_id)

    def _stop_clock_of_settled(self) -> None:
        waiting = {request.call for request in self._state.waiting}
        for call_id in [call_id for call_id in self._clocks if call_id not in waiting]:
            self._clocks.pop(call_id).cancel()

    async def _clock(self, call_id: str) -> None:
        """Remind, escalate, and at last take the policy's default."""
        while (request := self._state.call(call_id).request) is not None:
            due = next_due(request)
            if (left := due.at_ms - now_ms()) > 0:
                await workflow.sleep(timedelta(milliseconds=left), summary=_waits(request, due.kind))
            self._notify(due.kind, answers.due(self._state, call_id, due.kind, now_ms()))
            self._stir()
        self._clocks.pop(call_id, None)

    def _notify(self, kind: NoticeKind, request: Request) -> None:
        """Tell people, unless they are still being reminded; a notice of what was asked before is given up."""
        before = self._notices.get((kind, request.call))
        if before and kind == "reminder":
            return
        if before:
            before.cancel()
        info = workflow.info()
        count = request.reminders if kind == "reminder" else 0
        notice = Notice(
            id=f"{info.first_execution_run_id}/{request.call}/{request.kind}/{request.revision}/{kind}/{count}",
            kind=kind,
            run=info.workflow_id,
            agent=self._given.agent,
            tenant=self._given.context.tenant,
            request=request,
            at_ms=now_ms(),
        )
        sending = self._notices[kind, request.call] = asyncio.create_task(_sent(notice))
        sending.add_done_callback(functools.partial(self._sent, (kind, request.call)))

    def _sent(self, about: tuple[NoticeKind, str], sending: asyncio.Task[None]) -> None:
        if self._notices.get(about) is sending:
            del self._notices[about]
        self._stir()


def _waits(request: Request, until: DueKind) -> str:
    """What the timeline says of a timer: nothing else stands on its row."""
    what = {"reminder": "until a reminder", "escalated": "until it escalates", "expired": "until its deadline"}[until]
    who = f" for {', '.join(request.roles)}" if request.roles else " for a person"
    return one_line(f"{request.tool} ({request.call}) waits{who}, {what}")


async def _sent(notice: Notice) -> None:
    try:
        await calls.notify(notice)
    except ActivityError as error:
        workflow.logger.warning("notice %s was not delivered: %s", notice.id, error.cause)


def _refuse(refused: Refused) -> NoReturn:
    refusal = refused.refusal
    raise ApplicationError(refusal.message, refusal, type=refusal.kind, non_retryable=True) from None
