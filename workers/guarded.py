"""Child processes that never outlive the process that started them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

_GUARD = """
exec 3<&0
"$@" </dev/null 3<&- &
child=$!
trap 'kill -s $ENDS_BY $child' TERM
{ read -r _ <&3; kill -s $ENDS_BY $child; } 2>/dev/null &
guard=$!
exec 3<&-
wait $child; status=$?
while kill -0 $child 2>/dev/null; do wait $child; status=$?; done
kill $guard 2>/dev/null
exit $status
"""
"""A shell that holds the reading end of a pipe: however its parent ends, the pipe closes, and it ends the child."""

_POLL_SECONDS = 0.05


class GuardedProcess:
    """A command that is ended when this process ends, by whatever way: return, signal or kill -9.

    It runs in a session of its own, so that Ctrl-C in the terminal reaches only its parent, which then stops it in
    order.

    Args:
        command: The program and its arguments.
        log: File that takes what it prints; None to print where this process does.
        environment: Its environment; None for this process's own.
        ends_by: The signal that ends it in order.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path | None = None,
        environment: Mapping[str, str] | None = None,
        ends_by: Literal["TERM", "INT"] = "TERM",
    ) -> None:
        with contextlib.ExitStack() as stack:
            output = stack.enter_context(log.open("ab")) if log else None
            self._process = subprocess.Popen(  # noqa: S603  the caller's own command
                ["/bin/sh", "-c", _GUARD.replace("$ENDS_BY", ends_by), "guard", *command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT if output else None,
                env=environment,
                start_new_session=True,
            )

    @property
    def status(self) -> int | None:
        """Its exit status, None while it runs."""
        return self._process.poll()

    async def ended(self) -> int:
        """Wait until it ends; its exit status."""
        while (status := self.status) is None:  # noqa: ASYNC110  a process has no event that any loop can wait for
            await asyncio.sleep(_POLL_SECONDS)
        return status

    async def stop(self, within: float) -> int:
        """End it: by SIGTERM, and by SIGKILL with all its children where it takes longer than `within` seconds."""
        if self._process.stdin:
            self._process.stdin.close()
        try:
            return await asyncio.wait_for(self.ended(), within)
        except TimeoutError:
            return self.kill()

    def kill(self) -> int:
        """End it and its children at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        return self._process.wait()
