"""What the driver says went wrong, translated once."""

from __future__ import annotations

import re

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from tether.store import StoreOutdated, StoreUnavailable
from tether.text import one_line

UPGRADE = "run `tether store upgrade`"

_EMBEDDED = re.compile(r"/\.tether/store/socket/|/tether-[0-9a-f]{16}/")
"""Of the socket at which the store of a `tether dev` listens."""
_IN_THE_WAY = frozenset({"40001", "40P01"})
"""Serialization failure and deadlock: the same again succeeds."""
_SLOW = frozenset({"57014", "55P03", "25P03", "25P04"})
_STATES = {
    "25006": "takes no changes: it is read-only; point TETHER_STORE_URL at the primary",
    "28000": "does not let us in; check user and password in TETHER_STORE_URL",
    "28P01": "does not let us in; check user and password in TETHER_STORE_URL",
    "3D000": "has no such database; create it, or mend TETHER_STORE_URL",
    "42501": "does not let this user do that; grant it all on schema `tether`; an upgrade takes CREATE on the database",
    "53100": "has no room on its disk",
    "53300": "has no connection left; raise its max_connections, or run fewer workers",
}
_NO_SCHEMA = frozenset({"42P01", "3F000", "42703", "42883"})


def again(error: DBAPIError) -> bool:
    """Whether the same transaction may succeed at once."""
    return error.connection_invalidated or _state(error) in _IN_THE_WAY


def told(error: Exception, where: str, within: float) -> Exception | None:
    """For people: what is wrong with the store and what to do; None where the mistake is our own."""
    what = f"the store at {where}"
    if isinstance(error, (TimeoutError, PoolTimeout)):
        return StoreUnavailable(f"{what} did not answer within {within:g} s; nothing was changed. See whether it runs")
    state = _state(error)
    if not isinstance(error, DBAPIError) and not state:
        return StoreUnavailable(f"{what} can't be reached ({_reason(error)}); {_remedy(where)}")
    if state in _NO_SCHEMA:
        return StoreOutdated(f"{what} has no schema of this version of Tether: {UPGRADE}")
    if state in _STATES:
        return StoreUnavailable(f"{what} {_STATES[state]}")
    raised = _raised(error)
    if state in _SLOW or isinstance(raised, TimeoutError) or isinstance(error.__cause__, TimeoutError):
        return StoreUnavailable(f"{what} took longer than {within:g} s; nothing was changed. See what keeps it busy")
    lost = isinstance(error, DBAPIError) and error.connection_invalidated
    if lost or state in _IN_THE_WAY or state[:2] in {"08", "53", "57", "58", "XX"}:
        return StoreUnavailable(f"{what} can't be reached or is busy ({_reason(raised)})")
    return None


def _remedy(where: str) -> str:
    if _EMBEDDED.search(where):
        return "it belongs to a `tether dev`: start `tether dev` there again"
    return "start it, or mend TETHER_STORE_URL"


def _raised(error: Exception) -> BaseException:
    """What the driver itself raised."""
    return (error.orig or error) if isinstance(error, DBAPIError) else error


def _state(error: Exception) -> str:
    return str(getattr(_raised(error), "sqlstate", None) or "")


def _reason(error: BaseException) -> str:
    return one_line(str(error) or type(error).__name__)
