"""Results on their way to the model: whole, or a preview of what the store keeps, or cut where nothing does."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TypedDict

from pydantic import JsonValue
from temporalio import activity

from tether.activities.attempts import Attempt
from tether.contents import MAX_RESULT_BYTES, PREVIEW_BYTES, Content, Contents, Kept, cut_short, preview, storable
from tether.contract import ToolContract
from tether.ids import content_id
from tether.store import StoreOutdated, StoreUnavailable
from tether.text import utf8_size
from tether.tool_records import ToolInput
from tether.values import MAX_RESULT_BYTES as MAX_CARRIED_BYTES
from tether.values import Written, heard

PAUSES_SECONDS = (0.2, 0.5, 1.0)
"""Between attempts to keep a result: the run waits, and its tool has done its work."""
WITHIN_SECONDS = 8.0
"""For all of them."""
NO_STORE = "nothing keeps them here"
AWAY = "what keeps large results could not be reached"
NO_TOOL = "this run began where large results were not kept"


class Told(TypedDict):
    """What a result's record says of it."""

    value: JsonValue
    content: str
    note: str
    size: int
    kept: Kept | None


@dataclass(frozen=True)
class Keeping:
    """Decides how much of a result the model is told, and has the rest kept.

    Attributes:
        contents: Where large results are kept; None where this deployment keeps none.
        max_bytes: Of a result that is told whole, where larger ones can be kept.
    """

    contents: Contents | None = None
    max_bytes: int = MAX_RESULT_BYTES

    async def told(
        self, contract: ToolContract, given: ToolInput, attempt: Attempt, note: str, written: Written
    ) -> Told:
        """What the model is told of a result. The call has taken effect: whatever goes wrong here is no failure of it.

        Args:
            contract: Of the tool.
            given: The call.
            attempt: Which beats meanwhile.
            note: What precedes the result.
            written: The result.
        """
        value, kept = written.value, None
        keeps = given.reads_on and self.contents and not contract.rereads
        if written.size > (self.max_bytes if keeps else MAX_CARRIED_BYTES):
            value, kept = await self._shortened(given, attempt, written)
        text = heard(note, value)
        return Told(value=value, content=content_id(text), note=note, size=utf8_size(text), kept=kept)

    async def _shortened(self, given: ToolInput, attempt: Attempt, written: Written) -> tuple[JsonValue, Kept | None]:
        text, why = written.text, NO_TOOL
        if self.contents is None:
            why = NO_STORE
        elif given.reads_on:
            attempt.stop_clock()
            kept = await attempt.outlast(self._kept(given, text), stopping=activity.is_worker_shutdown())
            if kept:
                return preview(text, kept, min(self.max_bytes, PREVIEW_BYTES)), kept
            why = AWAY
        return written.value if written.size <= MAX_CARRIED_BYTES else cut_short(text, MAX_CARRIED_BYTES, why), None

    async def _kept(self, given: ToolInput, text: str) -> Kept | None:
        """Where a result is kept now; None where it can't be."""
        assert self.contents  # noqa: S101  the caller looked
        text, missing = storable(text)
        run = activity.info().workflow_id or ""
        content = Content.of(given.context.tenant, run, given.call, text)
        try:
            async with asyncio.timeout(WITHIN_SECONDS):
                await _put(self.contents, content)
        except Exception as error:  # noqa: BLE001  of whatever kind: the tool has done its work
            activity.logger.warning(
                "a result of %s bytes (%s) is cut: %s", len(text), given.call, str(error) or "no answer"
            )
            return None
        return Kept(reference=content.reference, size=utf8_size(text), missing=missing)


CUTTING = Keeping()
"""Nothing is kept: what is too large is cut."""


async def _put(contents: Contents, content: Content) -> None:
    for pause in PAUSES_SECONDS:
        try:
            return await contents.put(content)
        except StoreOutdated:
            raise
        except StoreUnavailable:
            await asyncio.sleep(pause)
    return await contents.put(content)
