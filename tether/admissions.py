"""What lets a call through before it is made: circuit breakers and rate limits, fleet-wide."""

from __future__ import annotations

from typing import Literal, Protocol

from pydantic import Field

from tether.value import Value

Verdict = Literal["now", "later", "circuit_open", "rate_limited"]
Report = Literal["succeeded", "failed", "neither"]


class RateAsk(Value):
    """What a call takes of one limit.

    Attributes:
        key: Whose limit: `tool:{name}`, `user:{tenant}/{id}`, `tenant:{id}`, `requests:{provider}`,
            `tokens:{provider}`.
        per_minute: How much it allows in a minute.
        amount: How much of that the call takes.
    """

    key: str
    per_minute: int = Field(ge=1)
    amount: int = Field(default=1, ge=1)


class Asking(Value):
    """What a call has to be let through by.

    Attributes:
        circuit: Of whom it calls: `model:{provider}:{model}` or `tool:{name}`; empty for none.
        rates: What it takes of which limits; all of them are taken, or none.
        wait_ms: How long it may wait for its place; 0: it is refused where there is none now.
        lease_ms: How long a probe may take before its place is another's: its worker may have died.
    """

    circuit: str = ""
    rates: tuple[RateAsk, ...] = ()
    wait_ms: int = Field(default=0, ge=0)
    lease_ms: int = Field(default=60_000, ge=1)


class Admission(Value):
    """Whether a call may be made.

    Attributes:
        verdict: `now`; `later`: its place is kept for it, it need not ask for its rates again, only for its circuit;
            `circuit_open`, `rate_limited`: nothing was taken.
        after_ms: `later`: until its place comes; `circuit_open`: until it may be asked again; `rate_limited`: until
            there would be a place.
        name: The circuit or the limit that says so.
        probe: Names the probe, where the call is one: it tries out whether the other side works again.
    """

    verdict: Verdict
    after_ms: int = 0
    name: str = ""
    probe: str = ""


class Admissions(Protocol):
    """Circuit breakers and rate limits, shared by all workers where there is a store."""

    async def admit(self, asking: Asking) -> Admission:
        """Ask whether a call may be made now. Never raises for a store that is down: then this worker decides alone."""
        ...

    def report(self, circuit: str, how: Report, probe: str = "") -> None:
        """Say how an admitted call ended; what is said is sent in the background.

        Args:
            circuit: As it was asked for.
            how: `failed`: a fault of the other side; `neither`: no word of it, as of a denial or a cancellation.
            probe: As admitted.
        """
        ...

    def give_back(self, rates: tuple[RateAsk, ...]) -> None:
        """Give back what a call took of its limits and did not need, in the background."""
        ...
