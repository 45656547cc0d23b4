"""What exactly a request asks about: the call's whole arguments, read from the run's record."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import JsonValue

from tether.actors import Actor
from tether.answers import changes_between
from tether.approvals import Answered, Change, Request
from tether.contract import SENSITIVE_BY_DEFAULT, ToolContract
from tether.errors import AnswerRefused, UnknownCall
from tether.ids import arguments_digest
from tether.masking import masked
from tether.record import Record
from tether.starters.handle import RunHandle
from tether.tool_records import EvaluateInput
from tether.value import Value

NO_ARGUMENTS = "0" * 16
"""A digest that no arguments have: an answer with it is refused, whatever waits."""


class Requested(Value):
    """A request with what it is about.

    Attributes:
        run: The run's id.
        request: What waits.
        arguments: As they would be executed; as the request shows them where the record hasn't them.
        whole: Whether they are what the request's digest stands for.
        contract: Of the tool.
    """

    run: str
    request: Request
    arguments: dict[str, JsonValue]
    whole: bool
    contract: ToolContract | None = None

    @property
    def shown(self) -> dict[str, JsonValue]:
        """The arguments for people: sensitive ones marked."""
        return masked(self.arguments, self._sensitive)

    def changes(self, edits: dict[str, JsonValue]) -> tuple[Change, ...]:
        """What edits would change, for people: sensitive values marked.

        What is sensitive counts as changed, whatever it is: that it isn't would confirm a guess to whoever asks.
        """
        written = (Change(argument=name, was=self.arguments.get(name), now=now) for name, now in edits.items())
        return tuple(self._marked(each) for each in written if self._is_sensitive(each) or each.was != each.now)

    def still_waits(self, edits: dict[str, JsonValue], answered: Answered) -> bool:
        """Whether the edits of an approval that was taken have changed the call without allowing it."""
        return bool(changes_between(self.arguments, {**self.arguments, **edits})) and not answered.changes

    def _is_sensitive(self, change: Change) -> bool:
        marked = self._marked(change)
        named = change.argument.casefold() in {name.casefold() for name in self._sensitive}
        return named or (marked.was, marked.now) != (change.was, change.now)

    def _marked(self, change: Change) -> Change:
        name = change.argument
        was, now = (masked({name: value}, self._sensitive)[name] for value in (change.was, change.now))
        return change.model_copy(update={"was": was, "now": now})

    @property
    def _sensitive(self) -> tuple[str, ...]:
        return self.contract.sensitive if self.contract else SENSITIVE_BY_DEFAULT


def requested(record: Record, request: Request) -> Requested:
    """A request with the whole arguments of its call.

    Args:
        record: Of the run, read after the request.
        request: What waits.
    """
    found = next(
        (each for each in _candidates(record, request) if arguments_digest(request.tool, each) == request.digest), None
    )
    return Requested(
        run=record.run,
        request=request,
        arguments=request.arguments if found is None else found,
        whole=found is not None,
        contract=record.manifest.tool(request.tool) if record.manifest else None,
    )


async def refusal_of(handle: RunHandle[Any], call: str, by: Actor) -> AnswerRefused:
    """What the run says of an answer about a call that doesn't wait: who has answered it, or that nothing waits.

    Raises:
        NotAnswered: No worker says it in time.
    """
    try:
        await handle.deny(call, by=by, digest=NO_ARGUMENTS)
    except AnswerRefused as refused:
        return refused
    return UnknownCall(f"no call {call!r} of {handle.id} waits for a person")


def _candidates(record: Record, request: Request) -> Iterator[dict[str, JsonValue]]:
    """Arguments that the call had, as the model wrote them or as people edited them, the newest first."""
    for turn in sorted(record.turns.values(), key=lambda turn: -turn.number):
        call = turn.calls.get(request.call)
        if call is None:
            continue
        message = turn.result.message if turn.result else None
        blocks = message.calls() if message else ()
        written = next((block.arguments for block in blocks if block.id == request.call), None)
        edited = call.edited.arguments if call.edited else None
        executed = call.input.arguments if call.input else None
        for arguments in (executed, edited, call.decided.arguments, written):
            if arguments is not None:
                yield arguments
    for given in record.inputs.values():
        if isinstance(given, EvaluateInput) and given.call == request.call:
            yield given.arguments
