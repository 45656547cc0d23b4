"""`tether approve`, `tether deny`, `tether outcome`: what a person says to a run that waits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tether.starters.cli.exits import ExitStatus
from tether.starters.cli.main import app, carry_out
from tether.starters.cli.options import RunName, Tenant

if TYPE_CHECKING:
    from pydantic import JsonValue

    from tether.actors import Actor
    from tether.approvals import AnswerVerdict, OutcomeVerdict, RequestKind
    from tether.starters.handle import RunHandle
    from tether.starters.requested import Requested

Call = Annotated[str, typer.Argument(metavar="CALL", help="The call that waits, as in c3.")]
By = Annotated[
    str | None, typer.Option(metavar="ID", help="Who answers; TETHER_ACTOR, else the login name, if left out.")
]
Later = Annotated[
    bool, typer.Option("--later", help="Leave it for a worker that isn't there yet; nobody is told if it is refused.")
]

_FOLLOWS: dict[OutcomeVerdict, str] = {
    "happened": "it happened, and the run goes on",
    "did_not": "it did not happen and won't any more, and is made again",
    "stop": "nobody can say, and the run ends",
}


@dataclass(frozen=True)
class Place:
    """Where an answer belongs, and who gives it, as they were typed."""

    run: str
    call: str
    tenant: str
    by: str | None


@app.command()
def approve(
    run: RunName,
    call: Call,
    edit: Annotated[
        list[str],
        typer.Option(
            metavar="NAME=VALUE", help="Change an argument; as often as needed. JSON where it is JSON, else text."
        ),
    ] = [],  # noqa: B006  typer reads the default
    message: Annotated[str, typer.Option("--message", "-m", metavar="TEXT", help="Kept in the record.")] = "",
    by: By = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask; needed where there is no terminal.")] = False,
    later: Later = False,
    tenant: Tenant = "default",
) -> None:
    """Allow a call that waits: shows exactly what would be done, and asks.

    What is allowed is what was shown: where the arguments have changed since, the answer is refused. With --edit, the
    changed call is decided about anew.
    """
    carry_out(_approve(Place(run, call, tenant, by), edit, message, yes=yes, later=later))


@app.command()
def deny(
    run: RunName,
    call: Call,
    message: Annotated[str, typer.Option("--message", "-m", metavar="TEXT", help="Why, for the model.")] = "",
    by: By = None,
    later: Later = False,
    tenant: Tenant = "default",
) -> None:
    """Deny a call that waits; the model is told, with the message."""
    carry_out(_deny(Place(run, call, tenant, by), message, later=later))


@app.command()
def outcome(
    run: RunName,
    call: Call,
    happened: Annotated[
        str | None, typer.Option(metavar="JSON", help="It took effect, and would have returned this.")
    ] = None,
    did_not: Annotated[
        bool, typer.Option("--did-not", help="It did not take effect, AND WON'T any more: make it again.")
    ] = False,
    stop: Annotated[bool, typer.Option("--stop", help="Nobody can say: end the run.")] = False,
    by: By = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Promise --did-not without being asked; needed without a terminal.")
    ] = False,
    tenant: Tenant = "default",
) -> None:
    """Say what became of a call of which that is unknown: exactly one of --happened, --did-not and --stop.

    With --did-not the call is made again. A worker that is frozen, not dead, may still act when it wakes, and then it
    happens twice: make sure that it is dead, or that the other side shows nothing and takes nothing more, before you
    say so. Nobody knows: --stop.
    """
    said: dict[OutcomeVerdict, bool] = {"happened": happened is not None, "did_not": did_not, "stop": stop}
    carry_out(_outcome(Place(run, call, tenant, by), said, happened, yes=yes))


async def _approve(place: Place, edit: list[str], message: str, *, yes: bool, later: bool) -> ExitStatus:
    from tether.starters.cli.inputs import UsageFailed, arguments
    from tether.starters.cli.requests import change_lines, needs_another
    from tether.starters.cli.terminal import at_terminal, console, note

    if not yes and not at_terminal():
        raise UsageFailed("there is no terminal here to ask at: look with `tether show`, then approve with --yes")
    handle, by = await _found(place)
    asked = await _looked_up(handle, place.call, "approval", by, later=later)
    edits = arguments("--edit", edit, asked.contract)
    changes = asked.changes(edits)
    if edit and not changes:
        raise UsageFailed(f"--edit changes nothing: {', '.join(edits)} of {place.call} is as it was asked for")
    out = console()
    out.print(change_lines(changes, out.width))
    if not yes and not await _confirmed("Allow? [y/N]", place.call):
        return ExitStatus.NOT_COMPLETED
    if later:
        return await _leave(handle, asked, "approve", by, message, edits)
    answered = await handle.approve(place.call, by=by, edits=edits, digest=asked.request.digest, message=message)
    if asked.still_waits(edits, answered):
        note(needs_another(place.call))
    else:
        _say(f"{by.id} allowed {asked.request.tool} ({place.call}) of {handle.id}")
    return ExitStatus.SUCCESS


async def _deny(place: Place, message: str, *, later: bool) -> ExitStatus:
    handle, by = await _found(place)
    asked = await _looked_up(handle, place.call, "approval", by, later=later)
    if later:
        return await _leave(handle, asked, "deny", by, message, {})
    await handle.deny(place.call, by=by, message=message, digest=asked.request.digest)
    _say(f"{by.id} denied {asked.request.tool} ({place.call}) of {handle.id}")
    return ExitStatus.SUCCESS


async def _outcome(place: Place, said: dict[OutcomeVerdict, bool], happened: str | None, *, yes: bool) -> ExitStatus:
    from tether.starters.cli.inputs import UsageFailed, parsed
    from tether.starters.cli.requests import DID_NOT
    from tether.starters.cli.terminal import at_terminal

    verdicts = [verdict for verdict, given in said.items() if given]
    if len(verdicts) != 1:
        raise UsageFailed("say what became of it: exactly one of --happened JSON, --did-not, --stop")
    verdict = verdicts[0]
    result = parsed("--happened", happened) if happened is not None else None
    asks = verdict == "did_not" and not yes
    if asks and not at_terminal():
        raise UsageFailed(f"there is no terminal here to ask at; with --yes, --did-not says: {DID_NOT}")
    handle, by = await _found(place)
    asked = await _looked_up(handle, place.call, "outcome", by)
    if asks and not await _confirmed("It did not happen, and won't any more: make it again? [y/N]", place.call):
        return ExitStatus.NOT_COMPLETED
    await handle.outcome(place.call, verdict, by=by, result=result, revision=asked.request.revision)
    _say(f"{by.id} said of {asked.request.tool} ({place.call}) of {handle.id}: {_FOLLOWS[verdict]}")
    return ExitStatus.SUCCESS


async def _confirmed(question: str, call: str) -> bool:
    """Whether the person at the terminal says yes."""
    from tether.starters.cli.prompt import Prompt
    from tether.starters.cli.terminal import console, note

    if (await Prompt(console()).ask(question)).lower() in {"y", "yes"}:
        return True
    note(f"nothing was sent; {call} still waits")
    return False


async def _found(place: Place) -> tuple[RunHandle[Any], Actor]:
    from tether.starters.cli.inputs import actor
    from tether.starters.client import AgentClient

    client = await AgentClient.connect()
    handle = await client.get(place.run, tenant=place.tenant)
    return handle, actor(place.by, handle.id)


async def _looked_up(
    handle: RunHandle[Any], call: str, kind: RequestKind, by: Actor, *, later: bool = False
) -> Requested:
    """What waits, as it is now, shown in full.

    Raises:
        AnswerRefused: Nothing of the kind waits.
    """
    from tether.errors import InvalidAnswer, UnknownCall
    from tether.starters.cli.lines import now
    from tether.starters.cli.requests import request_lines, typed
    from tether.starters.cli.terminal import console
    from tether.starters.requested import refusal_of, requested

    waiting = await handle.waiting()
    request = next((each for each in waiting if each.call == call), None)
    if request and request.kind != kind:
        raise InvalidAnswer(f"{call} of {handle.id} waits for another word: {' or '.join(typed(handle.id, request))}")
    if request is None and later:
        raise UnknownCall(f"no call {call!r} of {handle.id} waits for a person, so nothing was left for it")
    if request is None:
        raise await refusal_of(handle, call, by)
    asked = requested(await handle.record(), request)
    out = console()
    out.print(request_lines(asked, now(), out.width))
    return asked


async def _leave(
    handle: RunHandle[Any],
    asked: Requested,
    verdict: AnswerVerdict,
    by: Actor,
    message: str,
    edits: dict[str, JsonValue],
) -> ExitStatus:
    from tether.approvals import Answer
    from tether.starters.answers import new_id, signal_answer
    from tether.starters.client import AgentClient

    request = asked.request
    answer = Answer(
        call=request.call, verdict=verdict, by=by, digest=request.digest, edits=edits, message=message, id=new_id()
    )
    temporal = await (await AgentClient.connect()).temporal()
    await signal_answer(temporal.get_workflow_handle(handle.id), answer)
    _say(f"left for the next worker: {by.id} would {verdict} {request.call}; see then: tether show {handle.id}")
    return ExitStatus.SUCCESS


def _say(text: str) -> None:
    from tether.starters.cli.terminal import console, styled

    console().print(styled(text, "bold"))
