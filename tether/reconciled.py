"""What a tool's `reconcile` function found out about a call of unknown outcome."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True)
class Happened:
    """The call took effect.

    Attributes:
        result: What the handler would have returned; the model reads it as its result.
    """

    result: Any = None


@dataclass(frozen=True)
class DidNotHappen:
    """The call left nothing behind, and won't any more: it is made again."""


@dataclass(frozen=True)
class StillUnknown:
    """It can't be found out; a person is asked. Returning None says the same.

    Attributes:
        why: For that person.
    """

    why: str = ""


Reconciled: TypeAlias = Happened | DidNotHappen | StillUnknown | None
