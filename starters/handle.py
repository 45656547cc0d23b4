"""RunHandle: one run, to wait for, to follow, to look at."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError
from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
)
from temporalio.exceptions import ApplicationError, CancelledError, TerminatedError
from temporalio.service import RPCError, RPCStatusCode

from tether.actors import Actor
from tether.adapters import attributes
from tether.adapters.history import HistoryReader
from tether.approvals import ANSWER, OUTCOME, Answer, Answered, OutcomeAnswer, OutcomeVerdict, Request
from tether.budget.override import Overridden, Override
from tether.errors import InvalidAnswer, RunFailed
from tether.money import Dollars, micros_from_dollars
from tether.record import Record
from tether.result import RESULT_MEMO, RunResult
from tether.starters.answers import funding_in, new_id, send_answer, waiting_in
from tether.starters.failures import ANSWER_SECONDS, attended, explained, through_outages
from tether.starters.overriding import override_run
from tether.starters.pending import PendingAttempt, pending_attempts
from tether.starters.request import is_batch
from tether.starters.status import view_of
from tether.starters.stream import follow
from tether.step import AgentStep
from tether.view import RunView

OutputT = TypeVar("OutputT", bound=BaseModel)
AnswerT = TypeVar("AnswerT", Answer, OutcomeAnswer, Override)

_ANSWER = timedelta(seconds=ANSWER_SECONDS)
_SHOW = "`tether show` has its record"


class RunHandle(Generic[OutputT]):
    """A run that was started or found; made by `AgentClient`.

    Attributes:
        id: The run's id, `run/{tenant}/{key}`.
        output: The model that the answer is parsed into; None to leave it as JSON.
    """

    def __init__(self, client: Client, run: str, output: type[OutputT] | None = None) -> None:
        self.id = run
        self.output = output
        self._client = client
        self._reader = HistoryReader(client)
        self._handle: WorkflowHandle[Any, Any] = client.get_workflow_handle(run, result_type=RunResult)

    async def result(self) -> RunResult:
        """Wait until the run ends; how it ended, whichever way: look at `succeeded` and `outcome`.

        `output` is parsed into the agent's output model where the run was started with the Agent itself; an answer that
        no longer fits that model (its code has changed since) is left as JSON.

        Raises:
            RunNotFound: There is no such run.
            RunFailed: It ended without a result: it was terminated, or its workflow itself failed.
            ConnectionFailed: The server has not answered for a minute.
        """
        async with explained(self.id):
            try:
                given: RunResult = await attended(through_outages(self._handle.result), self.describe)
            except WorkflowFailureError as error:
                given = await self._result_of(error)
        return given.model_copy(update={"output": self._parsed(given.output)})

    async def steps(self) -> AsyncIterator[AgentStep]:
        """The steps of the run from its first one on, then each as it happens; ends when the run ends.

        Raises:
            RunNotFound: There is no such run, or its history has expired.
            ConnectionFailed: The server has not answered for a minute.
        """
        async for step in follow(self._reader, self.id, self.describe):
            yield step

    async def status(self) -> RunView:
        """Where the run stands, from its history and what is in flight: no worker is needed.

        Raises:
            RunNotFound: There is no such run, or its history has expired.
        """
        described = await self.describe()
        state = described.typed_search_attributes.get(attributes.STATE) or ""
        pending = await pending_attempts(described, self._client.data_converter)
        waiting, funding = await waiting_in(described), await funding_in(described)
        view = view_of(await self.record(), pending, state, waiting, funding)
        return view.model_copy(update={"batch": is_batch(described)})

    async def waiting(self) -> tuple[Request, ...]:
        """What of the run waits for people.

        Raises:
            RunNotFound: There is no such run.
        """
        return await waiting_in(await self.describe())

    async def approve(
        self, call: str, *, by: Actor, edits: Mapping[str, Any] | None = None, digest: str = "", message: str = ""
    ) -> Answered:
        """Allow a call that waits, with its exact arguments.

        Args:
            call: Our id of the call, `c3`.
            by: Who allows it.
            edits: Arguments in whose place these are to be used: validated and decided about anew.
            digest: Of the arguments that were looked at, as the request says it; required once they have been edited.
            message: Kept in the record.

        Raises:
            AnswerRefused: It may not be answered so; the subclass says why, and nothing has changed.
            RunNotFound: There is no such run.
            NotAnswered: No worker has taken the answer in time.
        """
        answer = _written(
            Answer,
            call=call,
            verdict="approve",
            by=by,
            edits=dict(edits or {}),
            digest=digest,
            message=message,
            id=new_id(),
        )
        return await send_answer(self._handle, ANSWER, answer)

    async def deny(self, call: str, *, by: Actor, message: str = "", digest: str = "") -> Answered:
        """Deny a call that waits; the model is told, with the message. Errors are those of `approve`."""
        answer = _written(Answer, call=call, verdict="deny", by=by, digest=digest, message=message, id=new_id())
        return await send_answer(self._handle, ANSWER, answer)

    async def override(
        self,
        amount_usd: Dollars,
        *,
        by: Actor,
        reason: str = "",
        expires: datetime | None = None,
        id: str = "",  # noqa: A002  the override's own word
    ) -> Overridden:
        """Raise what the run itself may spend; one that waits for that goes on.

        Args:
            amount_usd: Dollars that are added to its cap.
            by: Who raises it.
            reason: Why; kept with it.
            expires: From when on it counts no more; None for never.
            id: The override's own id: sent twice it counts once.

        Raises:
            BudgetRefused: The run refuses it: they may not, it has no cap of its own, it has ended.
            InvalidAnswer: `by` is no Actor, or the amount is 0.
            ValueError: The amount isn't one.
            RunNotFound: There is no such run.
            NotAnswered: No worker has taken it in time.
        """
        override = _written(
            Override,
            id=id or new_id(),
            amount=micros_from_dollars(amount_usd),
            by=by,
            reason=reason,
            expires_ms=None if expires is None else round(expires.timestamp() * 1000),
        )
        return await override_run(self._handle, override)

    async def outcome(
        self, call: str, verdict: OutcomeVerdict, *, by: Actor, result: Any = None, revision: int = 0
    ) -> Answered:
        """Say what became of a call whose outcome is unknown.

        Args:
            call: Our id of the call.
            verdict: `happened`: the model hears `result`; `did_not`: it is made again; `stop`: the run ends.
            by: Who says so.
            result: What the call would have returned: JSON.
            revision: Which question is answered, as the request says it; required once there was more than one.

        Raises:
            AnswerRefused: As for `approve`.
        """
        given = {"call": call, "verdict": verdict, "by": by, "result": result, "revision": revision, "id": new_id()}
        answer = _written(OutcomeAnswer, **given)
        return await send_answer(self._handle, OUTCOME, answer)

    async def pending(self) -> tuple[PendingAttempt, ...]:
        """The attempts that are in flight now.

        Raises:
            RunNotFound: There is no such run.
        """
        return await pending_attempts(await self.describe(), self._client.data_converter)

    async def record(self) -> Record:
        """All that is known of the run, over its whole chain.

        Raises:
            RunNotFound: There is no such run, or its history has expired.
        """
        async with explained(self.id):
            reading = through_outages(lambda: self._reader.record(self.id))
            record = await attended(reading, self.describe)
        if record.status == "cancelled":
            record.result = await self._result_in_memo()
        return record

    async def whole_record(self, record: Record) -> Record:
        """The run's record with those of the runs that it resumes before it, for what the model was told.

        Args:
            record: Of the run itself.

        Raises:
            RunNotFound: The history of one of them has expired.
        """
        async with explained(self.id):
            return await through_outages(lambda: self._reader.whole_record(record))

    async def cancel(self) -> bool:
        """Ask the run to stop: what is in flight is cancelled and waited for.

        Returns:
            Whether it was asked; False where it had ended already.

        Raises:
            RunNotFound: There is no such run.
        """
        described = await self.describe()
        if described.status is not WorkflowExecutionStatus.RUNNING:
            return False
        try:
            await self._handle.cancel()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return False  # it ended just now
            async with explained(self.id):
                raise
        return True

    async def describe(self) -> WorkflowExecutionDescription:
        """What Temporal says of the run.

        Raises:
            RunNotFound: There is no such run.
        """
        async with explained(self.id):
            return await through_outages(lambda: self._handle.describe(rpc_timeout=_ANSWER))

    async def _result_of(self, failure: WorkflowFailureError) -> RunResult:
        cause = failure.cause
        if isinstance(cause, ApplicationError) and cause.details:
            return RunResult.model_validate(cause.details[0])
        if isinstance(cause, CancelledError) and (result := await self._result_in_memo()):
            return result
        if isinstance(cause, TerminatedError):
            raise RunFailed(
                f"run {self.id!r} was terminated, which leaves no result; {_SHOW}, `tether resume` goes on from there"
            ) from failure
        raise RunFailed(f"run {self.id!r} ended without a result: {cause}; {_SHOW}") from failure

    async def _result_in_memo(self) -> RunResult | None:
        described = await self.describe()
        result: RunResult | None = await described.memo_value(RESULT_MEMO, None, type_hint=RunResult)
        return result

    def _parsed(self, output: Any) -> Any:
        if self.output is None or output is None:
            return output
        try:
            return self.output.model_validate(output)
        except ValidationError:
            return output


def _written(model: type[AnswerT], **fields: Any) -> AnswerT:
    """An answer with those fields.

    Raises:
        InvalidAnswer: One of them can't be used.
    """
    try:
        return model(**fields)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(map(str, problem["loc"]))
        said = "must be an Actor, as in Actor(id='u-40')" if where == "by" else problem["msg"].lower()
        what = "override" if model.__name__ == Override.__name__ else "answer"
        raise InvalidAnswer(f"the {what} can't be used: {where}: {said}") from None
