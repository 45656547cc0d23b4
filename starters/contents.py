"""Results of tools, whole: from the record of the run, or from the store where they were too large for that."""

from __future__ import annotations

from tether.adapters.connection import store_url
from tether.adapters.settings import Settings
from tether.contents import KEPT_DAYS, Kept
from tether.context import DEFAULT_TENANT
from tether.errors import TetherError
from tether.record import CallRecord, Record


class NoResult(TetherError):
    """There is no such call, it has no result yet, or its result is not kept any more."""


async def whole_result(record: Record, call: str, settings: Settings | None = None) -> str:
    """All that a call returned, as text.

    Args:
        record: Of the run.
        call: Our id of the call.
        settings: Of this deployment; None to read them. Only large results need the store that they name.

    Raises:
        NoResult: There is none; says why.
        SettingsError: It is kept in a store, and none is named.
        StoreUnavailable: The store is down, slow, or doesn't let us in.
        StoreOutdated: It has the schema of another version, or none.
    """
    found = _call(record, call)
    if not found.content:
        raise NoResult(f"call {call} of {record.run} has no result yet")
    if found.kept is None:
        return found.text
    tenant = record.input.context.tenant if record.input else DEFAULT_TENANT
    raw = await _read(found.kept, tenant, settings or Settings.load())
    if raw is None:
        raise NoResult(
            f"the result of call {call} of {record.run}, {found.kept.size:,} bytes, is gone: large results are deleted "
            f"after {KEPT_DAYS} days; `tether show` has the preview that the model read"
        )
    return raw.decode()


def _call(record: Record, call: str) -> CallRecord:
    calls = {name: made for turn in record.turns.values() for name, made in turn.calls.items()}
    if call not in calls:
        there_are = ", ".join(list(calls)[:20]) or "none"
        raise NoResult(f"{record.run} has no call {call[:40]!r}; there are: {there_are}")
    return calls[call]


async def _read(kept: Kept, tenant: str, settings: Settings) -> bytes | None:
    from tether.adapters.store.contents import PostgresContents  # noqa: PLC0415  a third of a second
    from tether.adapters.store.engine import Store  # noqa: PLC0415  likewise
    from tether.adapters.store.migrate import check  # noqa: PLC0415  likewise

    url = store_url(settings)
    await check(url)
    async with Store(url) as store:
        read = await PostgresContents(store).read(kept.reference, tenant, 0, kept.size)
        return read.raw if read else None
