"""Finding runs by what is known of them, without reading a history."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import TypeAdapter
from temporalio.client import WorkflowExecution, WorkflowExecutionStatus
from temporalio.common import SearchAttributeKey

from tether.adapters import attributes
from tether.errors import InvalidRun
from tether.ids import pseudonym
from tether.records import RUN_WORKFLOW
from tether.result import Outcome
from tether.starters.status import WAITS
from tether.state import Doing
from tether.value import Value

ListedState = Doing | Literal["running", "terminated", "timed_out"]

_STATUS: dict[WorkflowExecutionStatus, ListedState] = {
    WorkflowExecutionStatus.RUNNING: "running",
    WorkflowExecutionStatus.COMPLETED: "completed",
    WorkflowExecutionStatus.FAILED: "failed",
    WorkflowExecutionStatus.CANCELED: "cancelled",
    WorkflowExecutionStatus.TERMINATED: "terminated",
    WorkflowExecutionStatus.TIMED_OUT: "timed_out",
}
_TEMPORAL_NAMES = {
    "running": "Running",
    "completed": "Completed",
    "failed": "Failed",
    "cancelled": "Canceled",
    "terminated": "Terminated",
    "timed_out": "TimedOut",
}
STATES = (*_TEMPORAL_NAMES, *WAITS)
"""By which `AgentClient.list` can choose."""

_STATE: TypeAdapter[ListedState] = TypeAdapter(ListedState)
_OUTCOME: TypeAdapter[Outcome] = TypeAdapter(Outcome)


class RunListing(Value):
    """A run as it is listed.

    Attributes:
        run: The run's id.
        agent: The agent's name.
        state: `running`, what it waits for, or how it ended.
        outcome: How it ended by name, once it has.
        task_type: What kind of task it is.
        version: Digest of the manifest; empty until the run is pinned.
        started: When it started, or went on in a new run of its chain.
        closed: When it ended.
    """

    run: str
    agent: str
    state: ListedState
    outcome: Outcome | None = None
    task_type: str = ""
    version: str = ""
    started: datetime
    closed: datetime | None = None


def query_for(*, agent: str = "", user: str = "", tenant: str, state: str = "") -> str:
    """The visibility query that finds the runs asked for.

    Raises:
        InvalidRun: There is no such state.
    """
    terms = [f"WorkflowType = '{RUN_WORKFLOW}'", "ExecutionStatus != 'ContinuedAsNew'"]
    if agent:
        terms.append(f"{attributes.AGENT.name} = {_quoted(agent)}")
    if user:
        terms.append(f"{attributes.USER.name} = '{pseudonym(tenant, user)}'")
    if state in _TEMPORAL_NAMES:
        terms.append(f"ExecutionStatus = '{_TEMPORAL_NAMES[state]}'")
    elif state in WAITS:
        terms += ["ExecutionStatus = 'Running'", f"{attributes.STATE.name} = '{state}'"]
    elif state:
        raise InvalidRun(f"there is no state {state[:40]!r}; there are: {', '.join(STATES)}")
    return " AND ".join(terms)


def listing_of(found: WorkflowExecution) -> RunListing:
    """A run as visibility describes it."""
    state: ListedState = _STATUS.get(found.status, "running") if found.status else "running"
    if state == "running" and (waits := _attribute(found, attributes.STATE)) in WAITS:
        state = _STATE.validate_python(waits)
    outcome = _attribute(found, attributes.OUTCOME)
    return RunListing(
        run=found.id,
        agent=_attribute(found, attributes.AGENT),
        state=state,
        outcome=_OUTCOME.validate_python(outcome) if outcome else None,
        task_type=_attribute(found, attributes.TASK_TYPE),
        version=_attribute(found, attributes.VERSION),
        started=found.start_time,
        closed=found.close_time,
    )


def _attribute(found: WorkflowExecution, key: SearchAttributeKey[str]) -> str:
    return found.typed_search_attributes.get(key) or ""


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
