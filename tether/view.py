"""RunView: where a run stands, for people who look at it now."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from tether.approvals import Request
from tether.budget.purse import Parked
from tether.errors import RunError
from tether.result import Outcome
from tether.state import CallStatus, Doing
from tether.usage import Usage
from tether.value import Value


class CallView(Value):
    """A call of the turn in progress."""

    id: str
    tool: str
    status: CallStatus


class RunView(Value):
    """Where a run stands.

    Attributes:
        run: The run's id.
        agent: The agent's name.
        version: Digest of the manifest; empty until the run is pinned.
        doing: What it is doing, or how it ended.
        outcome: How it ended, once it has.
        error: What went wrong, where something did.
        turn: The last turn that was answered.
        steps: Lines of the record so far.
        calls: The calls of that turn.
        waiting: What waits for people.
        parked: What it waits for, where it has no money to go on.
        cap: Its own cap in micro-dollars, overrides included; None where it has none.
        left: What is left in the tightest scope that it spends on, in micro-dollars; None where none has a cap.
        usage: Tokens so far.
        cost: Micro-dollars so far.
        active_ms: Active time so far.
        started: When it started.
        batch: Whether interactive runs come first.
        resumed: The run that it resumes; empty where it resumes none.
    """

    run: str
    agent: str
    version: str = ""
    doing: Doing | Literal["terminated", "timed_out"]
    outcome: Outcome | None = None
    error: RunError | None = None
    turn: int = 0
    steps: int = 0
    calls: tuple[CallView, ...] = ()
    waiting: tuple[Request, ...] = ()
    parked: Parked | None = None
    cap: int | None = None
    left: int | None = None
    usage: Usage = Usage()
    cost: int = 0
    active_ms: int = 0
    started: datetime | None = None
    batch: bool = False
    resumed: str = ""
