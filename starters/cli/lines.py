"""How a run's steps, state and result read on a terminal."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import JsonValue
from rich.console import Group, RenderableType
from rich.text import Text

from tether.approvals import POLICY_ACTOR, Answered, Approval, Change
from tether.contents import Kept
from tether.masking import MASK, masked_value
from tether.money import dollars
from tether.result import Outcome, RunResult
from tether.starters.cli.terminal import styled
from tether.starters.pending import PendingAttempt
from tether.step import AgentStep, FailedAttempt
from tether.text import cut
from tether.usage import Usage
from tether.view import RunView

SHORT_BYTES = 300
INDENT = "     "

_STYLES = {"plan": "cyan", "think": "", "tool_use": "magenta", "complete": "bold green", "error": "bold red"}


def step_lines(step: AgentStep, *, whole: bool = False, answer: bool = False) -> RenderableType:
    """A step: what was done, what came of it, and every attempt that failed before.

    Args:
        step: The step.
        whole: Show texts in full; else they are cut to a line's worth.
        answer: Show the answer too; else the result, which follows, does.
    """
    lines = [_head(step)]
    lines += [styled(f"{INDENT}{model} was passed over: its circuit was open", "yellow") for model in step.passed]
    lines += [styled(f"{INDENT}model call: {_attempt(failed, step.model)}", "yellow") for failed in step.model_failed]
    lines += [styled(f"{INDENT}{_attempt(failed, step.model)}", "yellow") for failed in step.failed]
    if step.over:
        lines.append(styled(f"{INDENT}cost {dollars(step.over)} more than was reserved for it", "yellow"))
    if decision := _decision(step):
        lines.append(styled(INDENT + decision, "cyan"))
    if step.error and step.action != "complete":
        lines.append(_indented(f"✗ {step.error.kind}: {step.error.message}", "red", whole=whole))
    elif step.output is not None and (answer or step.action != "complete"):
        lines.append(_indented(_shown(step.output), whole=whole))
    return Group(*lines)


def kept_line(step: AgentStep, kept: Kept, run: str) -> Text:
    """Where all of a large result is."""
    lost = f", and {kept.missing:,} more are lost" if kept.missing else ""
    words = f"{INDENT}kept in the store: {kept.size:,} bytes{lost}; tether show {run} --result {step.call} prints them"
    return styled(words, "dim")


def pending_line(pending: PendingAttempt, now: datetime) -> Text:
    """An attempt in flight."""
    words = [pending.name, f"attempt {pending.attempt}", pending.state]
    if pending.due and pending.state == "waiting":
        words.append(f"next in {max(0.0, (pending.due - now).total_seconds()):.0f} s")
    elif pending.since:
        words.append(f"for {seconds(now - pending.since)}")
    if pending.detail:
        words.append(pending.detail)
    if pending.last_failure:
        words.append(f"before: {pending.last_failure}")
    return styled("  ".join(words), "yellow" if pending.last_failure else "")


def state_line(view: RunView, now: datetime) -> Text:
    """Where a run stands, in a line."""
    running = ", ".join(call.tool for call in view.calls if call.status == "running")
    now_calls = f" · {running}" if running and view.doing == "executing" else ""
    return styled(
        f"{ended_as(view.doing.replace('_', ' '), view.outcome)}{now_calls} · "
        f"turn {view.turn} · {_figures(view.usage, view.cost)}"
        + (f" · {seconds(now - view.started)}" if view.started else ""),
        "bold",
    )


def ended_as(state: str, outcome: Outcome | None) -> str:
    """A state with the name of its ending, where that says more: `completed (budget)`."""
    return state if outcome in {None, "completed", "cancelled"} else f"{state} ({outcome})"


def result_lines(result: RunResult) -> RenderableType:
    """How a run ended: its answer, or what went wrong."""
    answer = result.output if result.output is not None else result.answer
    style = "bold green" if result.outcome == "completed" else "bold red"
    ended = "completed" if result.outcome == "completed" else f"ended as {result.outcome}: {result.why}"
    figures = _figures(result.usage, result.cost)
    summary = f"{result.turns} turns, {result.steps} steps, {figures}, {result.total_ms / 1000:.1f} s"
    lines = [styled(ended, style) + styled(f"  ({summary})", "dim")]
    if result.error and result.error.message != result.why:
        lines.append(styled(f"{result.error.kind}: {result.error.message}", "red"))
    lines += _effects(result)
    lines += _told(result)
    if answer:
        lines += [Text(), styled(_shown(answer, pretty=True))]
    return Group(*lines)


def seconds(lasted: Any) -> str:
    """A duration for people."""
    return f"{max(0.0, lasted.total_seconds()):.1f} s"


def span(lasted: timedelta) -> str:
    """A duration in its two largest units: `2 m 3 s`, `3 h 48 m`."""
    left = max(0, round(lasted.total_seconds()))
    parts: list[str] = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or (unit == "s" and not parts):
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def now() -> datetime:
    """The present, in UTC."""
    return datetime.now(UTC)


def _head(step: AgentStep) -> Text:
    line = styled(f"{step.number:>3}  {step.action:<9}", _STYLES[step.action])
    if step.tool:
        line += styled(f" {step.tool}({_arguments(step)})", "bold")
    notes = []
    if step.call:
        notes.append(step.call)
    if step.attempts > 1:
        notes.append(f"{step.attempts} attempts")
    if step.duration_ms:
        notes.append(f"{step.duration_ms / 1000:.1f} s" if step.duration_ms >= 1000 else f"{step.duration_ms} ms")  # noqa: PLR2004  a second
    if step.effect:
        notes.append(f"effect {step.effect.replace('_', ' ')}")
    if step.usage.total:
        notes.append(_figures(step.usage, step.cost))
    if step.tool_cost:
        notes.append(f"call {dollars(step.tool_cost)}")
    if step.model:
        notes.append(step.model)
    return line + styled("  " + " · ".join(notes), "dim") if notes else line


def _decision(step: AgentStep) -> str:
    """What was decided about a call, where it was denied or a person was asked."""
    if step.permit and step.permit.verdict == "deny":
        return f"denied by rule {step.permit.rule!r}"
    parts = [f"asked by rule {step.permit.rule!r}"] if step.permit and step.permit.verdict == "ask" else []
    if step.approval:
        parts.append(_allowed(step, step.approval))
    if step.said:
        parts.append(_said(step, step.said))
    return "; ".join(parts)


def _allowed(step: AgentStep, approval: Approval) -> str:
    if approval.by == POLICY_ACTOR:
        return f"allowed by the policy{_after(step, approval.at_ms)}, since nobody answered"
    return f"allowed by {approval.by.id}{_after(step, approval.at_ms)}{_changed(approval, step.sensitive)}"


def _said(step: AgentStep, said: Answered) -> str:
    by, after = said.by.id, "" if step.approval else _after(step, said.at_ms)
    match said.verdict:
        case "deny":
            return f"denied by {by}{after}"
        case "happened":
            return f"{by} said{after} that it happened"
        case "did_not":
            return f"{by} said{after} that it did not happen, so it was made again"
        case "stop":
            return f"{by} stopped the run{after}"
        case _:
            return f"nobody said{after} what became of it" if step.effect == "unknown" else f"nobody answered{after}"


def _after(step: AgentStep, at_ms: int) -> str:
    return f" after {span(datetime.fromtimestamp(at_ms / 1000, tz=UTC) - step.asked)}" if step.asked else ""


def _changed(approval: Approval, sensitive: tuple[str, ...]) -> str:
    if not approval.changes:
        return ""
    shown = []
    for change in approval.changes:
        was, now_is = (_of_change(change, value, sensitive) for value in (change.was, change.now))
        shown.append(f"{change.argument}: {was} -> {now_is}")
    return f" ({'; '.join(shown)})"


def _of_change(change: Change, value: JsonValue, sensitive: tuple[str, ...]) -> str:
    marked = MASK if change.argument in sensitive else masked_value(value, sensitive)
    return cut(_shown(marked, quoted=True), SHORT_BYTES)


def _effects(result: RunResult) -> list[Text]:
    counts = {"done": result.effects.done, "not done": result.effects.not_done, "unknown": result.effects.unknown}
    known = [f"{count} {state}" for state, count in counts.items() if count]
    if not known:
        return []
    doubtful = [each for each in result.effect_lines if each.state == "unknown"]
    return [
        styled(f"effects: {', '.join(known)}", "bold red" if doubtful else "dim"),
        *(styled(f"  unknown: {each.tool} ({each.call}) {each.resource}".rstrip(), "red") for each in doubtful),
    ]


def _told(result: RunResult) -> list[Text]:
    """What whoever asked is told in place of an answer."""
    if result.fallback is None:
        return []
    lines = [styled("reply for people: ", "dim") + styled(result.fallback.message)]
    if result.fallback.problem:
        lines.append(styled(f"  in the shipped words: {result.fallback.problem}", "yellow"))
    return lines


def _attempt(failed: FailedAttempt, served: str) -> str:
    # A lost attempt is known to have lasted until its last beat; one that was lost before any has no time.
    at = f" at {datetime.fromtimestamp(failed.at_ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC" if failed.at_ms else ""
    after = f" after {failed.active_ms / 1000:.1f} s" if failed.active_ms else ""
    of = f" of {failed.model}" if failed.model not in {"", served} else ""
    how = "" if failed.usage.total else "at its worst case, "
    charged = f"; charged {how}{dollars(failed.cost)}" if failed.cost else ""
    return f"attempt {failed.attempt}{of} failed{at}{after}: {failed.error.kind}: {failed.error.message}{charged}"


def _arguments(step: AgentStep) -> str:
    shown = step.shown_arguments
    if isinstance(shown, dict):
        return ", ".join(f"{name}={_shown(value, quoted=True)}" for name, value in shown.items())
    return shown or ""


def _indented(text: str, style: str = "", *, whole: bool) -> Text:
    if not whole:
        text = cut(" ".join(text.split()), SHORT_BYTES)
    return styled("\n".join(INDENT + line for line in text.splitlines() or [""]), style)


def _shown(value: Any, *, pretty: bool = False, quoted: bool = False) -> str:
    if isinstance(value, str) and not quoted:
        return value
    if hasattr(value, "model_dump"):
        value = value.model_dump(mode="json")
    return json.dumps(value, ensure_ascii=False, indent=2 if pretty else None)


def _figures(usage: Usage, cost: int) -> str:
    return f"{usage.input:,} tokens in, {usage.output:,} out · {dollars(cost)}"
