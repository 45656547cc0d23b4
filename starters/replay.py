"""Histories as files, and replaying them against today's workflows."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

from google.protobuf.json_format import ParseError
from temporalio.client import Client, WorkflowHistory
from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from tether.adapters.converter import data_converter
from tether.adapters.history import HistoryReader
from tether.records import RUN_WORKFLOW
from tether.starters.failures import UnreadableHistory, explained
from tether.value import Value
from tether.workflows.agent_run import AgentRun

_SAID = re.compile(r'message: "(.*?)", source:', re.DOTALL)
_EVENT = re.compile(r"HistoryEvent\(id: (\d+)")
_NAME = re.compile(r"scheduled event '([^']+)'")


class Departure(Value):
    """How a replay departed from its history.

    Attributes:
        events: The numbers of the events of which one is where it did; empty where that isn't known.
        message: In Temporal's words.
    """

    events: tuple[int, ...] = ()
    message: str


async def histories_of(client: Client, run: str) -> AsyncIterator[WorkflowHistory]:
    """The histories of all runs of a chain, the first one first.

    Raises:
        RunNotFound: There is no such run, or its history has expired.
    """
    async with explained(run):
        reader = HistoryReader(client)
        for run_id in await reader.run_ids(run):
            yield await client.get_workflow_handle(run, run_id=run_id).fetch_history()


def parsed_history(text: str, name: str) -> WorkflowHistory:
    """A history from JSON, as Temporal's tools export it.

    Args:
        text: The JSON.
        name: Of the file, for what goes wrong.

    Raises:
        UnreadableHistory: It is none.
    """
    try:
        events = json.loads(text)["events"]
        run = events[0]["workflowExecutionStartedEventAttributes"]["workflowId"]
        return WorkflowHistory.from_json(run, text)
    except (ValueError, LookupError, TypeError, AttributeError, ParseError) as error:
        raise UnreadableHistory(
            f"{name} holds no history of a run; `tether history RUN -o FILE` writes one, as does Temporal's Web UI"
        ) from error


async def replay(history: WorkflowHistory) -> Departure | None:
    """Replay a history against today's code; how it departed, None where it didn't.

    Raises:
        UnreadableHistory: It is that of another workflow.
    """
    found = history.events[0].workflow_execution_started_event_attributes.workflow_type.name
    if found != RUN_WORKFLOW:
        raise UnreadableHistory(f"{history.workflow_id} is no run of an agent but a {found}, which tether can't replay")
    replayed = await replayer().replay_workflow(history, raise_on_replay_failure=False)
    failure = replayed.replay_failure
    if failure is None:
        return None
    said = _SAID.search(str(failure))
    message = said[1].replace('\\"', '"') if said else str(failure)
    return Departure(events=_events(history, message), message=message)


def replayer() -> Replayer:
    """A replayer of agents' runs, as workers would run them."""
    silent = TelemetryConfig(logging=LoggingConfig(filter=TelemetryFilter(core_level="OFF", other_level="OFF")))
    return Replayer(
        workflows=[AgentRun],
        data_converter=data_converter,
        workflow_runner=UnsandboxedWorkflowRunner(),
        runtime=Runtime(telemetry=silent),
    )


def _events(history: WorkflowHistory, message: str) -> tuple[int, ...]:
    if where := _EVENT.search(message):
        return (int(where[1]),)
    named = _NAME.search(message)
    return tuple(
        event.event_id
        for event in history.events
        if named and event.activity_task_scheduled_event_attributes.activity_type.name == named[1]
    )


def numbered(file: Path, number: int) -> Path:
    """The file of a chain's first, second, ... history: NAME.json, NAME.2.json, ..."""
    return file if number == 1 else file.with_name(f"{file.stem}.{number}{file.suffix}")
