"""Where the store is: a URL as people write it, read for the driver, and told without its password."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from tether.store import StoreUnavailable

_SCHEMES = frozenset({"postgres", "postgresql", "postgresql+asyncpg", "postgresql+psycopg", "postgresql+psycopg2"})
_TLS = frozenset({"disable", "allow", "prefer", "require", "verify-ca", "verify-full"})
_FILES = frozenset({"sslcert", "sslkey", "sslrootcert", "sslcrl"})
_OURS = frozenset({"connect_timeout", "channel_binding", "gssencmode"})
"""Of libpq, which the driver either decides by itself or we do."""
_EXAMPLE = "postgresql://USER:PASSWORD@HOST:5432/DATABASE"


@dataclass(frozen=True)
class Address:
    """How the driver reaches the store.

    Attributes:
        url: For SQLAlchemy.
        connecting: Further arguments for asyncpg.
        told: For people: host, port and database.
    """

    url: URL
    connecting: dict[str, Any]
    told: str

    @classmethod
    def read(cls, written: str) -> Address:
        """Read a URL; a problem is told without the URL, since that has a password.

        Raises:
            StoreUnavailable: It is none of a Postgres, or has an option that we don't know.
        """
        try:
            url = make_url(written.strip())
        except (ArgumentError, ValueError):
            raise StoreUnavailable(f"the store's URL can't be read; write it like {_EXAMPLE}") from None
        if url.drivername not in _SCHEMES:
            raise StoreUnavailable(
                f"the store's URL begins with {url.drivername}: but the store is Postgres; write it like {_EXAMPLE}"
            )
        return cls(
            url=url.set(drivername="postgresql+asyncpg", query={k: v for k, v in url.query.items() if k == "host"}),
            connecting=_connecting(url),
            told=_told(url),
        )


def _connecting(url: URL) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    settings = {}
    for name, value in url.query.items():
        if name in {"sslmode", "ssl"}:
            if value not in _TLS:
                raise StoreUnavailable(f"the store's URL says sslmode={value}; it is one of {', '.join(sorted(_TLS))}")
            arguments["ssl"] = value
        elif name in _FILES:
            raise StoreUnavailable(f"the store's URL has {name}; set it as PG{name.upper()} in the environment instead")
        elif name in {"application_name", "options"}:
            settings[name] = str(value)
        elif name not in _OURS and name != "host":
            raise StoreUnavailable(f"the store's URL has an option {name}, which is not known here; leave it out")
    return {**arguments, "server_settings": settings}


def _told(url: URL) -> str:
    host = url.host or url.query.get("host") or "localhost"
    return f"{host}{f':{url.port}' if url.port else ''}/{url.database or ''}"
