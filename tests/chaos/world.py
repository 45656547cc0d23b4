"""What stands outside the workers: the ledger of what they did, marks of where they are, and the faults that wait.

All of it is files in the trial's folder.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Literal, Self

from tests.chaos.faults import Fault, Kind, Pace, Trial
from tests.chaos.lines import append, lines
from tether.value import Value

Happening = Literal["ready", "began", "ended", "acting", "acted", "struck", "dead", "woken"]


class Handled(Value):
    """One attempt of a call: whose, in which process, of which activity (two runs' may have one id), and its count."""

    kind: Kind | None
    pid: int
    activity: str
    attempt: int


class Knock(Value):
    """A handler knocked at the service's door. What is keyed has its effect once a key, the rest with each knock."""

    kind: Kind
    key: str
    pid: int
    at: float


class Mark(Value):
    """Where a process is.

    Attributes:
        what: `ready`: a worker polls; `began`, `ended`: an attempt of a tool's activity; `acting`, `acted`: a handler;
            `struck`: a fault; `dead`, `woken`: the process, as the stage sees it.
        pid: The process.
        at: When, in seconds since the epoch.
        kind: Of the call.
        activity: Temporal's id of the activity.
        attempt: Temporal's count.
        how: How an attempt ended.
    """

    what: Happening
    pid: int
    at: float
    kind: Kind | None = None
    activity: str = ""
    attempt: int = 0
    how: str = ""

    @property
    def handled(self) -> Handled:
        """Which attempt it is about."""
        return Handled(kind=self.kind, pid=self.pid, activity=self.activity, attempt=self.attempt)


class World:
    """The files of one trial."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._trial: Trial | None = None

    @classmethod
    def begun(cls, folder: Path, trial: Trial) -> Self:
        """Lay the files out, with a fault that waits for each kind."""
        (folder / "armed").mkdir(parents=True)
        (folder / "trial.json").write_text(trial.model_dump_json())
        if trial.fault.point:
            for kind in trial.kinds:
                (folder / "armed" / kind).write_text(trial.fault.model_dump_json())
        return cls(folder)

    @property
    def trial(self) -> Trial:
        """What is tried."""
        if self._trial is None:
            self._trial = Trial.model_validate_json((self.folder / "trial.json").read_text())
        return self._trial

    def pace(self, kind: Kind) -> Pace:
        """How long this handler takes."""
        return self.trial.paces.get(kind, Pace())

    def taken(self, kind: Kind, point: str) -> Fault | None:
        """The fault that waits at this point of this call; it strikes once."""
        place = self.folder / "armed" / kind
        try:
            fault = Fault.model_validate_json(place.read_text())
            if fault.point != point:
                return None
            place.unlink()
        except FileNotFoundError:
            return None
        return fault

    def knock(self, kind: Kind, key: str) -> None:
        """Have the effect."""
        append(self.folder / "ledger", Knock(kind=kind, key=key, pid=os.getpid(), at=time.time()))

    def knocks(self, kind: Kind | None = None) -> list[Knock]:
        """What the ledger says, of one kind or of all."""
        return [knock for knock in lines(self.folder / "ledger", Knock) if kind in {None, knock.kind}]

    def mark(self, what: Happening, *, pid: int = 0, kind: Kind | None = None, how: str = "") -> None:
        """Say where a process is; by default this one."""
        append(self.folder / "marks", Mark(what=what, pid=pid or os.getpid(), at=time.time(), kind=kind, how=how))

    def mark_attempt(self, what: Literal["began", "ended"], handled: Handled, how: str = "") -> None:
        """Say that an attempt has begun or ended."""
        append(self.folder / "marks", Mark(what=what, at=time.time(), how=how, **handled.model_dump()))

    def marks(self, what: Happening | None = None) -> list[Mark]:
        """All marks, or those of one sort, in their order."""
        return [mark for mark in lines(self.folder / "marks", Mark) if what in {None, mark.what}]

    def in_hand(self, pid: int | None = None) -> set[Handled]:
        """Attempts that have begun and not ended, in one process or in all."""
        marks = [mark for mark in self.marks() if pid in {None, mark.pid}]
        ended = {mark.handled for mark in marks if mark.what == "ended"}
        return {mark.handled for mark in marks if mark.what == "began"} - ended

    def may_act(self, kind: Kind) -> bool:
        """Whether some living process, frozen or not, is still in a call of this kind: its effect may come yet."""
        marks = [mark for mark in self.marks() if mark.kind == kind or mark.what == "dead"]
        dead = {mark.pid for mark in marks if mark.what == "dead"}
        living = [mark for mark in marks if mark.pid not in dead]
        inside = any(handled.kind == kind and handled.pid not in dead for handled in self.in_hand())
        handlers = [mark.what for mark in living if mark.what in {"acting", "acted"}]
        return inside or handlers.count("acting") > handlers.count("acted")
