"""Usage as a provider would report it of what it is really sent: opt-in, for measuring what a conversation costs.

A token is counted for each four bytes of tools, system text and messages. What comes from the cache follows each
provider's documented rules (November 2026):

- Anthropic (platform.claude.com/docs/en/build-with-claude/prompt-caching): what precedes a `cache_control` mark is
  kept for five minutes from its last use, from 1,024 tokens on; from each mark, up to 20 blocks back are looked at for
  something that was kept; what is kept anew is reported as written.
- OpenAI, models before GPT-5.6 (developers.openai.com/api/docs/guides/prompt-caching): the longest beginning in common
  with an earlier request of the same `prompt_cache_key`, from 1,024 tokens on, in steps of 128; writing isn't billed.
"""

import hashlib
import json
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace

from tether.testing.wire.conversation import Json
from tether.testing.wire.faults import CutStream, ErrorInStream, Stall
from tether.testing.wire.replies import Reply, ScriptedUsage
from tether.testing.wire.requests import Request
from tether.testing.wire.script import Answer

BYTES_A_TOKEN = 4
LEAST_CACHED = 1_024
STEP = 128
LOOK_BACK = 20
KEPT_SECONDS = 300.0
MARK = "cache_control"


@dataclass(frozen=True)
class Read:
    """What a provider found of a request.

    Attributes:
        total: Tokens of all of it.
        cached: Of them, from the cache.
        written: Of them, newly kept.
    """

    total: int
    cached: int = 0
    written: int = 0


class Meter:
    """Counts what requests and replies take, with a cache as the providers have it.

    Args:
        caches: Whether there is a cache at all.
    """

    def __init__(self, *, caches: bool = True) -> None:
        self._caches = caches
        self._kept: dict[bytes, float] = {}
        self._latest: dict[tuple[str, str], tuple[bytes, float]] = {}

    def metered(self, request: Request, answer: Answer) -> Answer:
        """The answer with the usage that it has; faults that say nothing stay as they are."""
        if isinstance(answer, (Stall, CutStream, ErrorInStream)):
            return replace(answer, reply=self._counted(request, answer.reply))
        return self._counted(request, answer) if isinstance(answer, Reply) else answer

    def _counted(self, request: Request, reply: Reply) -> Reply:
        blocks = list(_blocks(request.json))
        read = self._by_marks(request, blocks) if request.wire == "anthropic" else self._by_prefix(request, blocks)
        if not self._caches:
            read = Read(read.total)
        thought = _tokens(len(reply.thinking.encode()))
        said = len(reply.text.encode()) + sum(len(call.name) + len(call.raw_arguments.encode()) for call in reply.calls)
        usage = ScriptedUsage(
            input=read.total,
            cached=read.cached,
            cache_write=read.written,
            output=max(1, _tokens(said)) + thought,
            reasoning=thought,
        )
        return replace(reply, usage=usage)

    def _by_marks(self, request: Request, blocks: list[tuple[bytes, bool]]) -> Read:
        sizes, digests = _running(request.model, blocks)
        marks = [place for place, (_, marked) in enumerate(blocks) if marked and sizes[place] >= LEAST_CACHED]
        found = next((hit for mark in reversed(marks) if (hit := self._found(request, digests, mark)) is not None), -1)
        for place in (*marks, found):
            if place >= 0:
                self._kept[digests[place]] = request.arrived
        cached = sizes[found] if found >= 0 else 0
        return Read(sizes[-1], cached, max(0, sizes[marks[-1]] - cached) if marks else 0)

    def _found(self, request: Request, digests: list[bytes], mark: int) -> int | None:
        """The newest of the blocks before a mark up to which something is kept."""
        for place in range(mark, max(-1, mark - LOOK_BACK), -1):
            used = self._kept.get(digests[place])
            if used is not None and request.arrived - used <= KEPT_SECONDS:
                return place
        return None

    def _by_prefix(self, request: Request, blocks: list[tuple[bytes, bool]]) -> Read:
        prompt = b"\n".join(block for block, _ in blocks)
        key = (request.model, str(request.json.get("prompt_cache_key", "")))
        before, used = self._latest.get(key, (b"", request.arrived))
        self._latest[key] = (prompt, request.arrived)
        common = _common(prompt, before) if request.arrived - used <= KEPT_SECONDS else 0
        cached = common // BYTES_A_TOKEN // STEP * STEP
        return Read(_tokens(len(prompt)), cached if cached >= LEAST_CACHED else 0)


def _blocks(body: Json) -> Iterator[tuple[bytes, bool]]:
    """What a model reads, in the order in which it does, and which of it is marked."""
    for tool in body.get("tools") or ():
        yield _block(tool)
    system = body.get("system") or body.get("instructions") or []
    for block in [{"type": "text", "text": system}] if isinstance(system, str) else system:
        yield _block(block)
    for message in body.get("messages") or body.get("input") or ():
        content = message.get("content")
        if not isinstance(content, list):
            yield _block(message)
            continue
        for block in content:
            yield _block({"role": message.get("role"), **block})


def _block(block: Json) -> tuple[bytes, bool]:
    told = {name: value for name, value in block.items() if name != MARK}
    return json.dumps(told, separators=(",", ":"), ensure_ascii=False).encode(), MARK in block


def _running(model: str, blocks: list[tuple[bytes, bool]]) -> tuple[list[int], list[bytes]]:
    """Tokens and digest of all up to each block."""
    digest, size, sizes, digests = hashlib.sha256(model.encode()), 0, [], []
    for block, _ in blocks:
        size += len(block)
        digest.update(b"%d:%b" % (len(block), block))
        sizes.append(_tokens(size))
        digests.append(digest.digest())
    return sizes, digests


def _common(one: bytes, other: bytes) -> int:
    """How many bytes two texts have in common at their beginnings."""
    shorter = min(len(one), len(other))
    return bisect_left(range(shorter + 1), True, key=lambda size: one[:size] != other[:size]) - 1  # noqa: FBT003


def _tokens(size: int) -> int:
    return -(-size // BYTES_A_TOKEN)
