"""What the model is told of arguments that a person changed."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import JsonValue

from tether.approvals import Approval, Change
from tether.masking import MASK, masked_value
from tether.text import cut, one_line, valid_unicode
from tether.values import spoken

MAX_VALUE_BYTES = 200
MAX_NOTE_BYTES = 2_000


def note_of(approval: Approval | None, sensitive: Sequence[str]) -> str:
    """What the model reads before the result of a call whose arguments a person changed; empty where nobody did.

    Args:
        approval: What allowed the call.
        sensitive: The tool's sensitive arguments, which are marked.
    """
    if approval is None or not approval.changes:
        return ""
    changed = "; ".join(_told(change, tuple(sensitive)) for change in approval.changes)
    return f"[A person changed the arguments before allowing this call: {cut(changed, MAX_NOTE_BYTES)}]"


def _told(change: Change, sensitive: tuple[str, ...]) -> str:
    name = one_line(valid_unicode(change.argument), MAX_VALUE_BYTES)
    if change.argument in sensitive:
        return f"{name}: {MASK}"
    return f"{name}: {_shown(change.was, sensitive)} -> {_shown(change.now, sensitive)}"


def _shown(value: JsonValue, sensitive: tuple[str, ...]) -> str:
    return one_line(valid_unicode(spoken(masked_value(value, sensitive))), MAX_VALUE_BYTES)
