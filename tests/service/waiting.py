"""Runs of the shop that wait for a person, through the command line."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.service.conftest import Command

STARTER = {"TETHER_ACTOR": "desk-service"}


@contextmanager
def waiting_run(tether: Command, task: str, *options: str) -> Iterator[str]:
    """The key of a run that waits for a person; cancelled at the end."""
    mine = str(uuid.uuid4())
    started = tether("run", "desk", task, "--key", mine, "--user", "u-17", "--detach", *options, **STARTER)
    assert started.returncode == 0, started.stderr
    try:
        while not (shown(tether, mine)["run"]["waiting"]):
            pass
        yield mine
    finally:
        tether("cancel", mine)


def shown(tether: Command, run: str) -> dict[str, Any]:
    """What `show --json` says."""
    said: dict[str, Any] = json.loads(tether("show", run, "--json").stdout)
    return said


def ended(tether: Command, run: str) -> dict[str, Any]:
    """The same, once the run has ended."""
    while not (said := shown(tether, run))["result"]:
        pass
    return said
