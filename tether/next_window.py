"""The window of the next call, from what a run is pinned to and what its record says of the calls before."""

from __future__ import annotations

from tether.manifest import Manifest
from tether.model_records import ModelInput
from tether.prompts import prompt_bytes
from tether.record import Record
from tether.rewriting import Scale, rewritten
from tether.window import Transcript, Window, size_of

SUMMARY_TOKENS = 1_000
"""Of a summary at most; in a small window an eighth of it."""


def last_window(manifest: Manifest, record: Record, given: ModelInput) -> Window:
    """The window of the last call, or that which begins with the summary that was just made."""
    return given.window or record.window(given.transcript.turns, manifest.context.first)


def next_window(manifest: Manifest, record: Record, given: ModelInput) -> Window:
    """The window that a turn's call is sent with.

    Args:
        manifest: What the run is pinned to.
        record: What is known of it.
        given: What is asked.
    """
    window = last_window(manifest, record, given)
    limit = limit_of(manifest, record, given)
    if limit is None:
        return window
    said = record.transcript(given.transcript.turns)
    room = summary_room(limit) if manifest.summariser and given.may_summarise else 0
    return rewritten(said, manifest.context, limit, window, _scale(manifest, record, said), room=room)


def limit_of(manifest: Manifest, record: Record, given: ModelInput) -> int | None:
    """Tokens that a turn's call may read; None where no limit is known.

    Where the provider found the last one too long, whatever we know of its limit, that is half of what it was.
    """
    model = manifest.models[given.chain]
    most = given.turn_output_tokens or given.max_output_tokens
    writes = min(most, model.max_output_tokens or most)
    limit = manifest.context.limit(model.window, writes)
    if not given.tighter or given.window is not None:  # that was cut already, and summed up
        return limit
    said = record.transcript(given.transcript.turns)
    sent = _scale(manifest, record, said).tokens_of(said.size(last_window(manifest, record, given)))
    return max(1, min(sent // 2, limit or sent))


def loses(before: Window, after: Window) -> bool:
    """Whether more is left out, so that it should be summed up."""
    return after.dropped > before.dropped or after.earlier > before.earlier


def summary_room(limit: int) -> int:
    """Tokens that are kept free for a summary."""
    return max(1, min(SUMMARY_TOKENS, limit // 8))


def _scale(manifest: Manifest, record: Record, said: Transcript) -> Scale:
    """By what the provider reported of the last call, where there was one."""
    turns, fixed = len(said.turns), prompt_bytes(manifest)
    last = record.turns[turns].result if turns else None
    if last is None or last.message is None or last.estimated:
        return Scale(fixed=fixed)
    sent = said.size(record.window(turns, manifest.context.first), turns - 1)
    return Scale(fixed=fixed, tokens=last.usage.total, size=fixed + sent + size_of(last.message))
