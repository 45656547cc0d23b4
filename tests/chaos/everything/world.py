"""What stands outside of all that comes to harm: the tools' own database, marks of where workers are, a fault in wait.

All of it is files in the season's folder.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from tests.chaos.everything.season import Blow, Place
from tests.chaos.lines import append, lines
from tether.value import Value

Happening = Literal["ready", "began", "ended", "acting", "acted", "struck", "dead"]


class Effect(Value):
    """A tool has done something: one line of its database.

    Attributes:
        run: For whom.
        tool: Which.
        n: The call's argument, of which no two calls of a run have the same.
        key: Its idempotency key.
        pid: The process that did it.
        at: When, in seconds since the epoch.
    """

    run: str
    tool: str
    n: int
    key: str
    pid: int
    at: float


class Mark(Value):
    """Where a process is.

    Attributes:
        what: `ready`: a worker polls; `began`, `ended`: an attempt of an activity; `acting`, `acted`: a tool's handler;
            `struck`: a fault has found it; `dead`: as the stage sees it.
        pid: The process.
        at: When, in seconds since the epoch.
        run: Of the activity.
        name: The activity's type.
        attempt: Which of which activity.
    """

    what: Happening
    pid: int
    at: float
    run: str = ""
    name: str = ""
    attempt: str = ""

    @property
    def inside(self) -> tuple[int, str, str, str]:
        """What it is inside of, and leaves."""
        return (self.pid, self.run, self.name, self.attempt)


class World:
    """The files of a season.

    Args:
        folder: Where they are.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def mark(self, what: Happening, *, pid: int = 0, run: str = "", name: str = "", attempt: str = "") -> None:
        """Say where a process is; by default this one."""
        mark = Mark(what=what, pid=pid or os.getpid(), at=time.time(), run=run, name=name, attempt=attempt)
        append(self.folder / "marks", mark)

    def marks(self) -> list[Mark]:
        """All of them, in their order."""
        return lines(self.folder / "marks", Mark)

    def effect(self, run: str, tool: str, n: int, key: str) -> None:
        """Have an effect."""
        append(self.folder / "effects", Effect(run=run, tool=tool, n=n, key=key, pid=os.getpid(), at=time.time()))

    def effects(self) -> list[Effect]:
        """All that tools have done."""
        return lines(self.folder / "effects", Effect)

    def has(self, run: str, tool: str, n: int) -> bool:
        """Whether a call had its effect."""
        return any((one.run, one.tool, one.n) == (run, tool, n) for one in self.effects())

    def may_act(self, run: str, tool: str) -> bool:
        """Whether a living process, frozen or not, is still in a call of this tool of this run."""
        return any(mark.run == run and mark.name == tool for mark in within(self.marks()))

    def arm(self, blow: Blow) -> None:
        """A fault waits for the first worker that comes to its place."""
        waiting = self.folder / "waiting"
        waiting.write_text(blow.model_dump_json())
        waiting.rename(self.folder / "armed")

    def disarmed(self) -> bool:
        """It waits no more; false where somebody has just come to its place."""
        try:
            (self.folder / "armed").unlink()
        except FileNotFoundError:
            return False
        return True

    def taken(self, place: Place) -> Blow | None:
        """The fault that waits at this place; it strikes one worker, once."""
        armed = self.folder / "armed"
        try:
            blow = Blow.model_validate_json(armed.read_text())
            if blow.place != place:
                return None
            armed.unlink()
        except FileNotFoundError:
            return None
        return blow


def within(marks: Iterable[Mark], until: float = float("inf")) -> list[Mark]:
    """What living processes have begun and not ended, by a moment: activities, and the handlers in them."""
    open_: dict[tuple[bool, tuple[int, str, str, str]], Mark] = {}
    for mark in marks:
        if mark.at > until:
            break
        if mark.what in {"began", "acting"}:
            open_[mark.what == "acting", mark.inside] = mark
        elif mark.what in {"ended", "acted"}:
            open_.pop((mark.what == "acted", mark.inside), None)
        elif mark.what == "dead":
            open_ = {at: one for at, one in open_.items() if one.pid != mark.pid}
    return list(open_.values())
