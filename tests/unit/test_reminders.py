"""Reminders: when the next one is due, however long nobody was there to send them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tether import answers
from tether.approvals import Request
from tether.asking import next_due
from tether.model_records import DecidedCall
from tether.permits import Permit, Terms
from tether.state import CallState, RunState

MINUTE = 60_000


def asked(reminders: int = 0) -> RunState:
    """A call that waits, reminded of every minute, for a day."""
    terms = Terms(remind_ms=MINUTE, deadline_ms=24 * 60 * MINUTE)
    request = Request(kind="approval", call="c1", tool="refund", terms=terms, asked_ms=0, reminders=reminders)
    decided = DecidedCall(id="c1", tool="refund", permit=Permit(verdict="ask", rule="r"))
    return RunState(calls=[CallState(decided=decided, index=0, status="waiting", request=request)])


@given(st.integers(0, 50), st.integers(0, 20 * 60 * MINUTE))
def test_missed_reminders_are_one(reminders: int, late_ms: int) -> None:
    """After a reminder the next one is due in the future: those that nobody was there to send aren't made up for."""
    state = asked(reminders)
    request = state.calls[0].request
    assert request
    now = next_due(request).at_ms + late_ms
    reminded = answers.reminded(state, "c1", now)
    assert reminded.reminders > reminders
    assert now < next_due(reminded).at_ms <= now + MINUTE
