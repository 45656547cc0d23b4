"""A reservation: money that is kept for one call while it is in flight."""

from __future__ import annotations

from pydantic import Field

from tether.value import Value


class Reservation(Value):
    """What one model or tool call may cost at worst; its activity's input carries it, so the history has it.

    Attributes:
        number: From 1, over the whole chain of the run.
        mark: A random mark: with `number` it names the charge that follows, also after a reset, which counts from an
            earlier number again.
        draw: Number of the last draw before it was made.
        amount: Micro-dollars.
    """

    number: int = Field(ge=1)
    mark: str
    draw: int = Field(default=0, ge=0)
    amount: int = Field(ge=0)
