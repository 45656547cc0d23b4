"""The last thing before a call: whether its circuit is closed, and whether there is a place in its limits."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import NoReturn

from tether.activities.attempts import Attempt, Interrupted
from tether.admissions import Admission, Admissions, Asking, RateAsk, Report
from tether.context import ANONYMOUS, DEFAULT_TENANT, RunContext
from tether.contract import ToolContract
from tether.errors import REACTIONS, ErrorKind, RunError
from tether.protection import Circuits, Rates

SPREAD = 0.2
"""By which share of a wait for a circuit those that wait come back apart from each other."""
EARLY_MS = 20
"""How much too early a place may be taken: clocks of workers and the server's timers differ by that."""
BYTES_A_TOKEN = 4
"""Of English text; providers count so before a model has read it."""


class Refused(Exception):
    """The call may not be made.

    Attributes:
        error: What is to be said of it.
        not_before_ms: Until when its circuit is open, in milliseconds since the epoch; 0 where that isn't why.
    """

    def __init__(self, error: RunError, not_before_ms: int = 0) -> None:
        super().__init__(error.message)
        self.error = error
        self.not_before_ms = not_before_ms


class Pass:
    """An admitted call: how it ends is reported once."""

    def __init__(self, admissions: Admissions, asking: Asking, probe: str) -> None:
        self._admissions = admissions
        self._asking = asking
        self._probe = probe
        self._told = False

    def ended(self, how: Report) -> None:
        """Report how the call ended; the first word counts."""
        if not self._told:
            self._told = True
            self._admissions.report(self._asking.circuit, how, self._probe)

    def failed(self, kind: ErrorKind) -> None:
        """Report an error: as a fault where it is the other side's."""
        self.ended("failed" if REACTIONS[kind].fault else "neither")

    def used(self, tokens: int) -> None:
        """Give back what the call took of a limit of tokens and didn't need."""
        for rate in self._asking.rates:
            if rate.key.startswith("tokens:") and 0 < tokens < rate.amount:
                self._admissions.give_back((rate.model_copy(update={"amount": rate.amount - tokens}),))


class Passage:
    """Asks before each call of a model or a tool; one that may not be made now comes back without holding a slot.

    Args:
        admissions: Circuits and rates.
        circuits: When they open.
        rates: The App's limits.
        grace_ms: How long after the end of a probe's time its place is kept for its report.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        admissions: Admissions,
        circuits: Circuits,
        rates: Rates,
        *,
        grace_ms: int = 5_000,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._admissions = admissions
        self._circuits = circuits
        self._rates = rates
        self._grace_ms = grace_ms
        self._clock = clock

    async def for_model(
        self, attempt: Attempt, model: str, size: Callable[[], int], writes: int, *, lasts_ms: int, may_fall_back: bool
    ) -> Pass:
        """Have a model call let through.

        Args:
            attempt: That makes it.
            model: `provider:model`.
            size: Bytes of the request; asked only where tokens are limited.
            writes: Tokens that the reply may have.
            lasts_ms: How long the call takes at most.
            may_fall_back: Whether another model can be asked where this one's circuit is open.

        Raises:
            Refused: It may not be made.
            ApplicationError: It comes back later.
            Interrupted: The attempt was cut off meanwhile.
        """
        provider = model.partition(":")[0]
        limits = self._rates.providers.get(provider)
        rates = []
        if limits and limits.requests:
            rates.append(RateAsk(key=f"requests:{provider}", per_minute=limits.requests))
        if limits and limits.tokens:
            tokens = size() // BYTES_A_TOKEN + writes
            rates.append(RateAsk(key=f"tokens:{provider}", per_minute=limits.tokens, amount=max(1, tokens)))
        asking = Asking(circuit=f"model:{model}", rates=tuple(rates), lease_ms=lasts_ms + self._grace_ms)
        return await self._through(attempt, model, asking, waits=not may_fall_back)

    async def for_tool(self, attempt: Attempt, contract: ToolContract, context: RunContext) -> Pass:
        """Have a tool call let through.

        Args:
            attempt: That makes it.
            contract: The tool's.
            context: The request.

        Raises:
            Refused: It may not be made.
            ApplicationError: It comes back later.
            Interrupted: The attempt was cut off meanwhile.
        """
        name, user, tenant = contract.name, context.user, context.tenant
        own = None if contract.rereads else contract.rate_per_minute or self._rates.tool
        found: list[tuple[str, int | None]] = [(f"tool:{name}", own)]
        if user != ANONYMOUS:
            found.append((f"user:{tenant}/{user}", self._rates.user))
        if tenant != DEFAULT_TENANT:
            found.append((f"tenant:{tenant}", self._rates.tenant))
        rates = tuple(RateAsk(key=key, per_minute=limit) for key, limit in found if limit)
        asking = Asking(circuit=f"tool:{name}", rates=rates, lease_ms=contract.timeout_ms + self._grace_ms)
        return await self._through(attempt, name, asking, waits=True)

    async def _through(self, attempt: Attempt, what: str, call: Asking, *, waits: bool) -> Pass:
        now_ms = self._now_ms()
        if attempt.place_ms - now_ms > EARLY_MS:
            await attempt.hold(_limited(what, "a limit"), attempt.place_ms - now_ms, now_ms, attempt.place_ms)
        asking = call.model_copy(update={"wait_ms": round(self._rates.wait * 1000)})
        if attempt.place_ms:
            asking = asking.model_copy(update={"rates": ()})
        admission = await self._admitted(attempt, asking)
        if admission.verdict == "circuit_open" and attempt.place_ms:
            self._admissions.give_back(call.rates)  # by the time that it closes, many such places would come at once
        if admission.verdict != "now":
            await self._not_now(attempt, what, admission, now_ms, waits=waits)
        attempt.let_through()
        return Pass(self._admissions, call, admission.probe)

    async def _admitted(self, attempt: Attempt, asking: Asking) -> Admission:
        answer = asyncio.ensure_future(self._admissions.admit(asking))
        try:
            return await attempt.before_fence(answer)
        except Interrupted:
            if answer.done() and not answer.cancelled() and answer.exception() is None:
                self._undo(asking, answer.result())  # it came at the very moment
            raise

    def _undo(self, asking: Asking, admission: Admission) -> None:
        if admission.verdict in {"now", "later"}:
            self._admissions.give_back(asking.rates)
        if admission.probe:
            self._admissions.report(asking.circuit, "neither", admission.probe)

    async def _not_now(
        self, attempt: Attempt, what: str, admission: Admission, now_ms: int, *, waits: bool
    ) -> NoReturn:
        """Come back later, or say why the call is not made."""
        after_ms = admission.after_ms
        if admission.verdict == "rate_limited":
            raise Refused(self._exceeded(what, admission.name, after_ms))
        if admission.verdict == "later":
            await attempt.hold(_limited(what, admission.name), after_ms, now_ms, now_ms + after_ms)
        waited_ms = now_ms - attempt.held_since_ms if attempt.held_since_ms else 0
        error = _open(what, after_ms)
        if not waits or waited_ms + after_ms > self._circuits.wait * 1000:
            raise Refused(error, now_ms + after_ms)
        spread = 1 + SPREAD * random.random()  # noqa: S311  no secret
        await attempt.hold(error, round(after_ms * spread), now_ms)

    def _exceeded(self, what: str, limit: str, after_ms: int) -> RunError:
        waits = f"no place comes within {self._rates.wait:g} s" if self._rates.wait else "no call waits for a place"
        message = (
            f"{what} was not called: the rate limit of {limit} is used up and {waits} "
            f"(the next in {after_ms / 1000:.1f} s)"
        )
        return RunError(kind=ErrorKind.RATE_LIMIT_EXCEEDED, message=message)

    def _now_ms(self) -> int:
        return round(self._clock() * 1000)


def _limited(what: str, limit: str) -> RunError:
    return RunError(
        kind=ErrorKind.RATE_LIMIT_EXCEEDED, message=f"{what} waits for its place in the rate limit of {limit}"
    )


def _open(what: str, after_ms: int) -> RunError:
    message = (
        f"{what} is left alone after many faults in a row, for another {after_ms / 1000:.0f} s; "
        "`tether circuits` shows them"
    )
    return RunError(kind=ErrorKind.CIRCUIT_OPEN, message=message)
