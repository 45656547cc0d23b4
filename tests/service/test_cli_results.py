"""`tether show` of a run with a large result: that it is kept elsewhere, and all of it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]

from tests.service.conftest import bare_environment
from tests.store.conftest import embedded, url  # noqa: F401  fixtures
from tests.workflows.test_large_results import BOOK, SIZE, read_book, read_size, started
from tether.starters.cli.exits import ExitStatus
from tether.testing.harness import Tether
from tether.testing.wire import calls, says
from tether.workers.dev import DevServer


async def test_a_large_result_is_shown_and_printed_whole(
    tether: Tether,
    dev_server: DevServer,
    url: str,  # noqa: F811  the fixture
    tmp_path: Path,
) -> None:
    """`show` says where it is; `--result` prints it, as data too; what is gone, never was, or is too much is said."""
    tether.script(calls("read_book"), calls("read_size", bytes_of=10), says("Done."))
    handle = await started(tether, read_book, read_size, store=url)
    await handle.result()
    bare = bare_environment() | {"TEMPORAL_ADDRESS": dev_server.address}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tether.starters.cli", "show", handle.id, *arguments]
        environment = bare | {"TETHER_STORE_URL": url}
        return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)

    shown, whole, as_json, small, unknown = await asyncio.gather(
        *(
            asyncio.to_thread(run, *arguments)
            for arguments in [
                (),
                ("--result", "c1"),
                ("--result", "c1", "--json"),
                ("--result", "c2"),
                ("--result", "c9"),
            ]
        )
    )
    said = f"kept in the store: {SIZE:,} bytes; tether show {handle.id} --result c1 prints them"
    assert said in " ".join(shown.stdout.split())
    assert whole.stdout == BOOK + "\n"
    assert json.loads(as_json.stdout) == {"call": "c1", "result": BOOK}
    assert small.stdout == "x" * 10 + "\n"
    assert (unknown.returncode, unknown.stdout) == (ExitStatus.NOT_FOUND, "")
    assert "has no call 'c9'; there are: c1, c2" in unknown.stderr
    both = await asyncio.to_thread(run, "--result", "c1", "--prompt", "1")
    assert (both.returncode, both.stdout) == (ExitStatus.USAGE, "")
    connection = await asyncpg.connect(url)
    await connection.execute("DELETE FROM tether.contents")
    await connection.close()
    gone = await asyncio.to_thread(run, "--result", "c1")
    assert gone.returncode == ExitStatus.NOT_FOUND
    assert "large results are deleted after 30 days" in gone.stderr
