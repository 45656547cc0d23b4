"""How a run's money reads on a terminal: what is left of its cap, what it waits for, and who raised it."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.text import Text

from tether.budget.override import Overridden
from tether.budget.purse import Parked
from tether.money import exact_dollars
from tether.starters.cli.lines import span
from tether.starters.cli.terminal import revealed, styled
from tether.view import RunView

BAR_WIDTH = 24
LEAST_WIDTH = 60
"""Columns of a terminal below which there is no bar, only the words."""
SCARCE = 0.2
"""Of the cap: from here on what is left is marked."""


def cap_line(view: RunView, width: int = 0) -> Text | None:
    """What is left of a run's own cap, with a bar where there is room for one; None where it has no cap.

    Args:
        view: Where the run stands.
        width: Of the terminal, in columns.
    """
    if view.cap is None:
        return None
    left = max(0, view.cap - view.cost)
    share = left / view.cap if view.cap else 0.0
    words = f"{exact_dollars(left)} left of its {exact_dollars(view.cap)}"
    if view.cost > view.cap:
        words += f", {exact_dollars(view.cost - view.cap)} over"
    style = "green" if share > SCARCE else "yellow" if left else "red"
    if width < LEAST_WIDTH:
        return styled(words, style)
    full = round(share * BAR_WIDTH)
    if left:
        full = max(1, full)
    return styled("█" * full, style) + styled("░" * (BAR_WIDTH - full), "dim") + styled(f"  {words}")


def parked_line(parked: Parked, present: datetime) -> Text:
    """That a run waits for money, and for how long still."""
    amount = exact_dollars(parked.wants)
    whose = f"{amount} of {revealed(parked.where)}" if parked.shortage else f"{amount} at the least"
    return styled(f"{parked.what} waits for {whose}, and ends without in {span(_until(parked) - present)}", "yellow")


def parked_lines(parked: Parked, run: str, amount: int) -> RenderableType:
    """All of what a run waits for: why, until when, and what to type.

    Args:
        parked: What it waits for.
        run: Its id.
        amount: By which its own cap could be raised.
    """
    head, why, *typed = parked_text(parked, run, amount).split("\n")
    return Group(styled(head, "yellow"), styled(why), *(styled(line, "cyan") for line in typed))


def parked_text(parked: Parked, run: str, amount: int) -> str:
    """The same as text; a command stands there once, also where the ledger's words have it."""
    lines = [_head(parked), _why(parked)]
    if "`tether " not in parked.in_words:
        lines.append(command(parked, run, amount))
    return "\n  ".join(lines)


def command(parked: Parked, run: str, amount: int) -> str:
    """What to type: it raises the run's own cap, or shows whose money is missing, where the words say who may do what.

    Args:
        parked: What the run waits for.
        run: Its id.
        amount: By which its own cap could be raised.
    """
    if parked.shortage is None:
        return f"tether budget override {shlex.quote(run)} --amount {exact_dollars(amount)[1:]} --by ID --reason '…'"
    scope = parked.shortage.scope
    return f"tether budget show {shlex.quote(scope)}" if scope else "tether store check"


def override_line(taken: Overridden, present: datetime) -> Text:
    """By whom, by how much and why a run's cap was raised."""
    reason = f": {revealed(taken.reason)}" if taken.reason else ""
    line = styled(
        f"{revealed(taken.by.id)} raised it by {exact_dollars(taken.amount)}, {_time(taken.at_ms)}{reason}", "dim"
    )
    if taken.expires_ms is None:
        return line
    over = not taken.counts(round(present.timestamp() * 1000))
    return line + styled(f" ({'expired' if over else 'until'} {_time(taken.expires_ms)})", "dim")


def _head(parked: Parked) -> str:
    return f"the run waits for money until {_time(parked.deadline_ms)}, then it ends with what it has"


def _why(parked: Parked) -> str:
    return revealed(parked.in_words)


def _until(parked: Parked) -> datetime:
    return datetime.fromtimestamp(parked.deadline_ms / 1000, tz=UTC)


def _time(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, tz=UTC):%Y-%m-%d %H:%M:%S} UTC"
