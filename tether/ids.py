"""Ids, keys and digests: pure functions of what they name."""

from __future__ import annotations

import hashlib
import json
import re

from pydantic import JsonValue

from tether.errors import InvalidRun

RUN_PREFIX = "run"
MAX_KEY = 200

_UNUSABLE = re.compile(r"[/\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def run_id(tenant: str, key: str) -> str:
    """The id of a run, which is its workflow id: `run/{tenant}/{key}`.

    Raises:
        InvalidRun: Tenant or key is empty, longer than 200 bytes, has white space at an end, or holds a slash, a
            control character or half of a surrogate pair.
    """
    for what, part in (("tenant", tenant), ("key", key)):
        usable = part and part == part.strip() and not _UNUSABLE.search(part)
        if not usable or len(part.encode()) > MAX_KEY:
            raise InvalidRun(
                f"the {what} {part[:40]!r} can't be used: give 1 to {MAX_KEY} bytes without slashes, "
                "control characters or white space at the ends"
            )
    return f"{RUN_PREFIX}/{tenant}/{key}"


def full_run_id(name: str, tenant: str = "default") -> str:
    """A run's id from what a person typed: the whole id, or its key alone."""
    return name if name.startswith(f"{RUN_PREFIX}/") else f"{RUN_PREFIX}/{tenant}/{name}"


def pseudonym(tenant: str, person: str) -> str:
    """A stable stand-in for a person's id, for search attributes, fairness keys and providers: 16 hex digits."""
    return sha256(f"{tenant}\x00{person}")[:16]


def arguments_digest(tool: str, arguments: dict[str, JsonValue]) -> str:
    """What a decision or approval binds to: 16 hex digits over the tool and its exact arguments."""
    return sha256(f"{tool}\x00{canonical(arguments)}")[:16]


def idempotency_key(first_run: str, turn: int, index: int, digest: str) -> str:
    """The key of a keyed call: stable over retries, reset, continue-as-new and resuming.

    Args:
        first_run: `first_execution_run_id` of the run; of one that resumes another the original's.
        turn: The call's turn.
        index: The call's place in its turn, from 0.
        digest: `arguments_digest` of the call.
    """
    return f"{first_run}/{turn}/{index}/{digest}"


def content_id(text: str) -> str:
    """Twelve hex digits that stand for a text in the chain of a transcript."""
    return sha256(text)[:12]


def chained(head: str, *contents: str) -> str:
    """The head of a transcript after more content: each head stands for all that precedes it."""
    return sha256("\n".join((head, *contents)))[:16]


def canonical(value: JsonValue) -> str:
    """JSON with sorted keys and no white space: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def sha256(text: str) -> str:
    """SHA-256 of the text's UTF-8, in hex; lone surrogates count as themselves."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
