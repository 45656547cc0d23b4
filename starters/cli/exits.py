"""Exit statuses of `tether`: the one place where they are given their meaning."""

from __future__ import annotations

from enum import IntEnum


class ExitStatus(IntEnum):
    """What a command's end says to a script."""

    SUCCESS = 0
    NOT_COMPLETED = 1
    USAGE = 2
    UNREACHABLE = 3
    NOT_FOUND = 4
    CONFLICT = 5
    REFUSED = 6
    INTERNAL = 70
    INTERRUPTED = 130


MEANINGS = {
    ExitStatus.SUCCESS: "success; `dev` and `worker`: stopped as they were told to",
    ExitStatus.NOT_COMPLETED: (
        "the run ended, but did not complete its task; a replay departed from its history; "
        "an account differs from the histories; "
        "a question was not answered with yes"
    ),
    ExitStatus.USAGE: "bad usage or input; nothing was started",
    ExitStatus.UNREACHABLE: (
        "Temporal or the store can't be reached or used: server, namespace, key, `tether setup`, "
        "`tether store upgrade`; no worker took an answer"
    ),
    ExitStatus.NOT_FOUND: "there is no such run, call, circuit, scope or file",
    ExitStatus.CONFLICT: "the key belongs to a run of another user or with another input",
    ExitStatus.REFUSED: (
        "the answer or override was refused: unknown call, already answered, expired, not authorised, too much, "
        "changed arguments, invalid; the run can't be resumed"
    ),
    ExitStatus.INTERNAL: "an error in tether itself",
    ExitStatus.INTERRUPTED: "interrupted; a run that was started goes on",
}
"""As the help says it."""


def status_of(error: Exception) -> ExitStatus:
    """The exit status that tells of an error."""
    from temporalio.service import RPCError

    from tether.adapters.attributes import AttributesMissing
    from tether.adapters.connection import ConnectionFailed
    from tether.adapters.settings import SettingsError
    from tether.budget.books import BudgetRefused, UnknownScope
    from tether.circuit_board import UnknownCircuit
    from tether.errors import (
        AnswerRefused,
        DeclarationError,
        InvalidRun,
        KeyConflict,
        NotAnswered,
        NotResumable,
        RunNotFound,
    )
    from tether.sent import NothingSent
    from tether.starters.cli.inputs import FileMissing, UsageFailed
    from tether.starters.contents import NoResult
    from tether.starters.failures import UnreadableHistory
    from tether.store import StoreOutdated, StoreUnavailable

    if type(error).__name__ in {"DevServerFailed", "EmbeddedStoreFailed"}:  # of the workers, which only `dev` imports
        return ExitStatus.UNREACHABLE
    match error:
        case ConnectionFailed() | AttributesMissing() | NotAnswered() | RPCError():
            return ExitStatus.UNREACHABLE
        case StoreUnavailable() | StoreOutdated():
            return ExitStatus.UNREACHABLE
        case RunNotFound() | FileMissing() | UnknownScope() | UnknownCircuit() | NothingSent() | NoResult():
            return ExitStatus.NOT_FOUND
        case KeyConflict():
            return ExitStatus.CONFLICT
        case AnswerRefused() | BudgetRefused() | NotResumable():
            return ExitStatus.REFUSED
        case InvalidRun() | DeclarationError() | SettingsError() | UsageFailed() | UnreadableHistory():
            return ExitStatus.USAGE
        case _:
            return ExitStatus.NOT_COMPLETED
