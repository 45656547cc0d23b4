"""Connecting to Temporal: the one place where clients are built.

Address, namespace, TLS and API key come from Temporal's own environment profiles (`TEMPORAL_ADDRESS`, ... and its
`temporal.toml`); where they name no address, from the server that `tether dev` left a note of; else localhost:7233.
Where the store is, which only budgets need, is found here likewise.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from temporalio.client import Client
from temporalio.envconfig import ClientConfigProfile
from temporalio.service import RPCError, RPCStatusCode

from tether.adapters.converter import data_converter
from tether.adapters.settings import Settings, SettingsError
from tether.errors import TetherError
from tether.store import StoreUnavailable
from tether.value import Value

DEV_NOTE = Path(".tether") / "dev.json"
DEV_STORE = Path(".tether") / "store"
DEFAULT_ADDRESS = "localhost:7233"
CONNECT_SECONDS = 10.0


class ConnectionFailed(TetherError):
    """The Temporal server could not be reached, or refused the connection."""


class DevNote(Value):
    """What `tether dev` leaves for other commands in `.tether/dev.json`.

    Attributes:
        address: Of the Temporal server, `host:port`.
        ui: Of its Web UI, `http://host:port`.
        pid: The process that runs it; a note of a dead process doesn't count.
        namespace: The namespace.
        store: URL of the store that it runs, where it runs one.
    """

    address: str
    ui: str
    pid: int
    namespace: str = "default"
    store: str = ""


class Target(Value):
    """Where to connect.

    Attributes:
        address: `host:port`.
        namespace: The namespace.
        ui: Address of the Web UI where it is known.
    """

    address: str
    namespace: str
    ui: str = ""


def target(profile: str | None = None) -> Target:
    """Where `connect` connects, by the rule that this module states.

    Raises:
        ConnectionFailed: The profile can't be read.
    """
    loaded = _profile(profile)
    note = None if loaded.address else dev_note()
    return Target(
        address=loaded.address or (note.address if note else DEFAULT_ADDRESS),
        namespace=loaded.namespace or (note.namespace if note else "default"),
        ui=note.ui if note else os.environ.get("TETHER_UI", ""),
    )


async def connect(profile: str | None = None, *, address: str | None = None, namespace: str | None = None) -> Client:
    """Connect, with Tether's data converter.

    Args:
        profile: Name of a Temporal environment profile.
        address: Instead of the profile's.
        namespace: Instead of the profile's.

    Raises:
        ConnectionFailed: No server there, wrong namespace, no or bad key; says which and what to do.
    """
    loaded = _profile(profile)
    if address is None and not loaded.address:
        _check_dev_runs()
    found = target(profile)
    config: dict[str, Any] = {**loaded.to_client_connect_config()}
    config["target_host"] = address or found.address
    config["namespace"] = namespace or found.namespace
    where = f"Temporal at {config['target_host']}"
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            client = await Client.connect(**config, data_converter=data_converter)
            await _check_namespace(client, where)
    except TimeoutError as error:
        raise ConnectionFailed(f"{where} did not answer within {CONNECT_SECONDS:g} s; {_HINT}") from error
    except RPCError as error:
        raise ConnectionFailed(f"{where} refused the connection: {error.message}; {_HINT}") from error
    except (RuntimeError, ValueError) as error:
        raise ConnectionFailed(f"no {where}: {_cause(error)}; {_HINT}") from error
    return client


def dev_note(folder: Path | None = None) -> DevNote | None:
    """The note of a `tether dev` that runs, in this folder or one above it."""
    return next((note for note in _dev_notes(folder) if _alive(note.pid)), None)


def store_url(settings: Settings) -> str:
    """Where the store is: by TETHER_STORE_URL, else that of the `tether dev` that runs here.

    Args:
        settings: Of this deployment.

    Raises:
        SettingsError: Neither names one.
        StoreUnavailable: Neither does, but a `tether dev` that has stopped kept one here.
    """
    named = settings.store_url.get_secret_value()
    note = None if named else dev_note()
    if not named and not (note and note.store):
        if kept := _stopped_store():
            raise StoreUnavailable(
                f"the store in {kept} doesn't run: start `tether dev` there, or, if budgets are kept elsewhere, set "
                "TETHER_STORE_URL"
            )
        raise SettingsError(
            "no store is named, which keeps the budgets: set TETHER_STORE_URL to a Postgres, as in "
            "postgresql://user:password@host:5432/database, and run `tether store upgrade`; or use `tether dev`, which "
            "brings one where the App has budgets"
        )
    return named or (note.store if note else "")


def _stopped_store() -> Path | None:
    here = Path.cwd().resolve()
    return next((place / DEV_STORE for place in (here, *here.parents) if (place / DEV_STORE).is_dir()), None)


def _dev_notes(folder: Path | None = None) -> Iterator[DevNote]:
    here = (folder or Path.cwd()).resolve()
    for place in (here, *here.parents):
        with suppress(OSError, ValidationError):
            yield DevNote.model_validate_json((place / DEV_NOTE).read_text())


def _check_dev_runs() -> None:
    """Refuse to take another server for that of a `tether dev` that died here."""
    notes = list(_dev_notes())
    if notes and not any(_alive(note.pid) for note in notes):
        raise ConnectionFailed(
            f"the `tether dev` of this folder, whose server was at {notes[0].address}, has died; start it again, or "
            f"set TEMPORAL_ADDRESS (or remove {DEV_NOTE})"
        )


_NO_TEMPORAL = "what listens there is no Temporal server"
_NO_TLS = "it speaks no TLS; unset TEMPORAL_TLS and TEMPORAL_API_KEY, which switches TLS on"
_CAUSES = {
    "onnection refused": "connection refused",
    "dns error": "the name of the host can't be found",
    "InvalidContentType": _NO_TLS,
    "tls handshake eof": _NO_TLS,
    "ertificate": "its TLS certificate can't be trusted; see TEMPORAL_TLS_SERVER_CA_CERT_PATH",
    "h2 protocol error": _NO_TEMPORAL,
    "get_system_info": _NO_TEMPORAL,
    "invalid target URL": "that is no address; write it as HOST:PORT",
    "etwork is unreachable": "the network is unreachable",
    "imed out": "the connection timed out",
}
"""What Temporal's client says of a connection that failed, and what that means; the first that fits holds."""
_HINT = "start one with `tether dev`, or set TEMPORAL_ADDRESS (and TEMPORAL_NAMESPACE, TEMPORAL_API_KEY) to yours"


def _profile(name: str | None) -> ClientConfigProfile:
    try:
        return ClientConfigProfile.load(name)
    except (RuntimeError, ValueError, OSError) as error:
        raise ConnectionFailed(f"Temporal's environment profile can't be read: {error}") from error


async def _check_namespace(client: Client, where: str) -> None:
    from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest  # noqa: PLC0415  heavy, and needed just here

    try:
        await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise ConnectionFailed(
                f"{where} has no namespace {client.namespace!r}; set TEMPORAL_NAMESPACE to one that it has"
            ) from error
        if error.status in {RPCStatusCode.UNAUTHENTICATED, RPCStatusCode.PERMISSION_DENIED}:
            raise ConnectionFailed(
                f"{where} refused the key for namespace {client.namespace!r}; check TEMPORAL_API_KEY"
            ) from error
        raise


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _cause(error: Exception) -> str:
    """Why Temporal's client, which answers with its own innards, could not connect."""
    said = str(error)
    return next((cause for words, cause in _CAUSES.items() if words in said), said.partition("tonic::")[0].strip(" :"))
