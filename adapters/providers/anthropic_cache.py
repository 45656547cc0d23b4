"""Where Anthropic is asked to cache a request's beginning.

By its documentation (platform.claude.com/docs/en/build-with-claude/prompt-caching, November 2026): what is cached is
all that precedes a mark, in the order tools, system text, messages; a request has four marks at most; from each the
provider looks back 20 blocks for something it has cached. Reading from the cache costs a tenth of the input price or
less, writing to it, for five minutes, a quarter more. Below 512 to 4,096 tokens, by model, a mark does nothing and
costs nothing, so that no size has to be known here. A mark isn't part of what is compared: it may move.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import JsonValue

CACHED: dict[str, JsonValue] = {"cache_control": {"type": "ephemeral"}}
_MARK = b',"cache_control":{"type":"ephemeral"}}'


def cached_until(blocks: bytes) -> bytes:
    """Encoded content blocks with a mark on the last."""
    return blocks.removesuffix(b"}") + _MARK


def cached_turns(by_user: Sequence[bool]) -> set[int]:
    """The places of the messages that get a mark; the system text has the fourth.

    The newest, for the next call to find; the user's one before it, where the last call left its own, however many
    blocks ago that was; and the first, with the task, which stays when old turns are left out.

    Args:
        by_user: Of each message, whether it is the user's side; reasoning, on the other, takes no mark.
    """
    places = [place for place, is_user in enumerate(by_user) if is_user]
    return {*places[:1], *places[-2:]}
