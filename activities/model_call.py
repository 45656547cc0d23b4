"""One call of a model as an activity makes it: its attempts, its price, and how it fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError

from tether.activities.attempts import Attempt, Interrupted
from tether.activities.passage import Refused
from tether.errors import ErrorKind, RunError
from tether.manifest import Manifest
from tether.model_records import ModelFailure, ModelInput, ModelResult
from tether.ports import RunRef
from tether.prices import Price
from tether.provider import ModelReply, ModelRequest
from tether.records import Spent
from tether.text import one_line


class ModelCall:
    """One model call: what was asked, and the attempt that answers it."""

    def __init__(self, client: Client, given: ModelInput) -> None:
        info = activity.info()
        assert info.workflow_id and info.workflow_run_id  # noqa: PT018, S101  only workflows schedule this
        self.given = given
        self.run = RunRef(info.workflow_id, info.workflow_run_id)
        self.attempt = Attempt(client, given.failed, given.model)
        self._replied: ModelResult | None = None

    @contextmanager
    def never_again(self) -> Iterator[None]:
        """Whatever nobody has foreseen ends the run: made again, it would be billed again, for ever."""
        try:
            yield
        except ApplicationError:
            raise
        except Exception as error:  # noqa: BLE001  whatever it is, it must not be billed for ever
            activity.logger.exception("a model call failed in a way that was not foreseen")
            message = (
                f"a model call failed by {type(error).__name__}: {one_line(str(error), 500)}; see the worker's log"
            )
            self.give_up(RunError(kind=ErrorKind.INTERNAL, message=message), billed=True)

    def refused(self, refused: Refused) -> NoReturn:
        """End the activity: the call was not let through, and no attempt was made."""
        spent = self._spent.model_copy(update={"attempts": len(self.attempt.failed)})
        failure = ModelFailure(
            error=refused.error, spent=spent, model=self.given.model, not_before_ms=refused.not_before_ms
        )
        self.attempt.give_up(refused.error, failure)

    def nothing_to_cut(self) -> NoReturn:
        """End the activity: the call was too long, and nothing of it can be left out."""
        error = self.attempt.failed[-1].error
        spent = self._spent.model_copy(update={"attempts": len(self.attempt.failed)})
        self.attempt.give_up(error, ModelFailure(error=error, spent=spent, model=self.given.model))

    def give_up(self, error: RunError, *, billed: bool = False) -> NoReturn:
        """End the activity: the call failed for good; once there was a reply, its bill is known all the same."""
        made = ModelFailure(error=error, spent=self._spent, billed=billed, model=self.given.model)
        if reply := self._replied:
            told = {"cost": reply.cost, "known": not reply.estimated, "usage": reply.usage, "model": reply.model}
            self.attempt.give_up(error, made.model_copy(update=told))
        self.attempt.give_up(error, made.model_copy(update={"cost": self.given.reserved if billed else 0}))

    async def not_here(self, message: str) -> NoReturn:
        """Leave the call to a worker that can make it."""
        error = RunError(kind=ErrorKind.NOT_HERE, message=f"{message}; waiting for a worker that has it")
        await self.attempt.later(error)

    def cut_off(self, interruption: Interrupted, model: str) -> NoReturn:
        """End the activity: something else ended the call before it had an answer."""
        match interruption.why:
            case "deadline" if self.attempt.left_ms(self.given.active_ms) <= 0:
                error = RunError(kind=ErrorKind.TIMEOUT, message="the run's active time was used up by a model call")
            case "deadline":
                error = RunError(kind=ErrorKind.PROVIDER_TIMEOUT, message=f"{model} did not answer in time")
            case "shutdown":
                error = RunError(kind=ErrorKind.LOST, message=f"the worker stopped while {model} answered")
            case _:
                error = RunError(kind=ErrorKind.CANCELLED, message=f"the call of {model} was cancelled")
        self.give_up(error, billed=True)

    def price(self, manifest: Manifest, model: str) -> Price:
        """What the run is pinned to: it isn't repriced while it is in flight."""
        price = manifest.price(model)
        if price is None:
            message = f"the run was started without a price of {model}, so its cost can't be told; start it anew"
            self.give_up(RunError(kind=ErrorKind.UNPRICED, message=message))
        return price

    def replied(self, price: Price, request: ModelRequest, reply: ModelReply) -> None:
        """There is a reply: from now on it is known what the call costs."""
        estimated = bool(reply.unreported or not reply.usage.input) and not price.is_free
        self._replied = ModelResult(
            finish=reply.finish,
            usage=reply.usage,
            cost=self._estimate(price, reply) if estimated else price.cost(reply.usage),
            estimated=estimated,
            model=f"{request.model.partition(':')[0]}:{reply.model}",
            request_id=reply.request_id,
        )

    @property
    def result(self) -> ModelResult:
        """The reply with what it cost, once there is one."""
        assert self._replied  # noqa: S101  only what comes of a reply asks
        return self._replied.model_copy(update={"spent": self._spent})

    @property
    def _spent(self) -> Spent:
        """What the attempts took, over all models of the chain."""
        return self.attempt.spent.model_copy(update={"passed": self.given.passed})

    def _estimate(self, price: Price, reply: ModelReply) -> int:
        """What a call costs at most of which not all was reported: not above its worst case, not below what was."""
        most = price.cost(reply.usage) if reply.usage.input else self.given.reserved
        return max(min(most, self.given.reserved), price.cost(reply.reported))
