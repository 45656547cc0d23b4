"""What a call of a run was sent: made again from its record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tether.errors import TetherError
from tether.manifest import Manifest
from tether.messages import Message, ToolMessage
from tether.model_records import ModelInput
from tether.next_window import last_window, next_window
from tether.prompts import plan_request, turn_request
from tether.provider import ModelRequest
from tether.record import Record
from tether.records import PLAN, SUMMARISE, THINK
from tether.step import AgentStep
from tether.steps import SUMMARY_REASON, steps_of
from tether.summary import summary_request
from tether.text import utf8_size
from tether.window import WHOLE, Form, Transcript, Window, size_of


class NothingSent(TetherError):
    """There is no such step, or no call of a model belongs to it."""


@dataclass(frozen=True)
class Gap:
    """What was left out of a call.

    Attributes:
        place: Of the message that says so.
        messages: How many there were.
        size: Their bytes.
    """

    place: int
    messages: int
    size: int


@dataclass(frozen=True)
class Sent:
    """A call as it was sent.

    Attributes:
        turn: The turn that it was for; 0 for the plan.
        request: The call.
        window: How the transcript was cut.
        gap: What was left out; None where nothing was.
        shortened: Of each message that was sent shorter than it is, by its place, the bytes of its text.
    """

    turn: int
    request: ModelRequest
    window: Window = WHOLE
    gap: Gap | None = None
    shortened: dict[int, int] = field(default_factory=dict)


def sent_for(record: Record, number: int, whole: Record | None = None) -> Sent:
    """What the model was sent whose reply led to a step.

    Args:
        record: The run.
        number: Of the step.
        whole: Its record with those of the runs that it resumes, where it does.

    Raises:
        NothingSent: There is no such step, or nothing was sent for it.
    """
    steps = steps_of(record, gaps=True)
    step = next((step for step in steps if step.number == number), None)
    if step is None:
        there = f"it has steps {steps[0].number} to {steps[-1].number}" if steps else "it has none yet"
        raise NothingSent(f"{record.run} has no step {number}; {there}: `tether show` lists them")
    said = whole or record
    if step.turn == 0:
        return _plan(said, number, repaired=number > record.steps_before + 1 or _plan_was_bad(record))
    if step.reason == SUMMARY_REASON or (step.action == "error" and _summed_up_last(said, step.turn)):
        return _summary(said, step)
    return _turn(said, step)


def _plan(record: Record, number: int, *, repaired: bool) -> Sent:
    given = _given(record, number, PLAN, 0, lambda given: bool(given.repair) == repaired)
    return Sent(0, plan_request(_manifest(record), record, given.repair, given.max_output_tokens, given.chain))


def _plan_was_bad(record: Record) -> bool:
    """Whether a run that this one resumes had a plan that could not be read."""
    carried = record.input.carried if record.input and record.input.resumed else None
    return bool(carried and carried.state.repair)


def _summed_up_last(record: Record, turn: int) -> bool:
    """Whether the last call for a turn was one for a summary."""
    asked = [key for key, given in record.inputs.items() if isinstance(given, ModelInput) and given.turn == turn]
    return record.names[asked[-1]] == SUMMARISE


def _turn(record: Record, step: AgentStep) -> Sent:
    given = _given(record, step.number, THINK, step.turn, lambda given: not given.stop_only)
    manifest, turn = _manifest(record), record.turns.get(step.turn)
    before = given.transcript.turns
    if turn is None or turn.result is None:  # nothing says how it was sent but what it was sent by
        window = next_window(manifest, record, given)
    else:
        window = record.window(step.turn, manifest.context.first)
    said = record.transcript(before)
    kept = [message for each in said.turns[window.dropped :] for message in each.messages]
    request = turn_request(manifest, record, before, given.max_output_tokens, window, given.chain)
    return Sent(step.turn, request, window, _gap(said, window), _shortened(request.messages, kept))


def _gap(said: Transcript, window: Window) -> Gap | None:
    if not window.note:
        return None
    turns = said.turns[: window.dropped]
    return Gap(
        place=len(said.earlier) - window.earlier + 1,
        messages=window.earlier + sum(len(turn.messages) for turn in turns),
        size=sum(map(size_of, said.earlier[: window.earlier])) + sum(turn.size(Form()) for turn in turns),
    )


def _summary(record: Record, step: AgentStep) -> Sent:
    given = _given(record, step.number, SUMMARISE, step.turn, lambda _: True)
    manifest = _manifest(record)
    before, after = last_window(manifest, record, given), next_window(manifest, record, given)
    return Sent(step.turn, summary_request(manifest, record, given, before, after), after)


def _shortened(sent: tuple[Message, ...], kept: list[Message]) -> dict[int, int]:
    """Which of the messages are shorter than they were; those of the turns come last."""
    pairs = zip(range(len(sent) - len(kept), len(sent)), kept, strict=True)
    return {
        place: utf8_size(said.text)
        for place, said in pairs
        if isinstance(said, ToolMessage) and said is not sent[place]
    }


def _given(record: Record, number: int, name: str, turn: int, fits: Callable[[ModelInput], bool]) -> ModelInput:
    """What the last activity of that name and turn was given: those before it brought nothing."""
    for key, given in reversed(record.inputs.items()):
        if record.names[key] == name and isinstance(given, ModelInput) and given.turn == turn and fits(given):
            return given
    raise NothingSent(f"no model was called for step {number} of {record.run}; ask for the step before it")


def _manifest(record: Record) -> Manifest:
    if record.manifest is None:
        raise NothingSent(f"{record.run} was never set up, so no model was called: `tether show` says why")
    return record.manifest
