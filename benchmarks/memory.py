"""What a process holds in memory, where the system tells: on Linux."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import BaseModel

_STATUS = Path("/proc/self/status")
_FIELDS = re.compile(r"^(VmRSS|VmHWM):\s+(\d+) kB$", re.MULTILINE)


class Memory(BaseModel):
    """Of one process, in MiB.

    Attributes:
        now: What it holds.
        most: The most that it has ever held.
    """

    now: float
    most: float


def memory() -> Memory | None:
    """What this process holds; None where the system has no /proc."""
    if not _STATUS.exists():
        return None
    told = {name: int(kib) / 1024 for name, kib in _FIELDS.findall(_STATUS.read_text())}
    return Memory(now=told["VmRSS"], most=told["VmHWM"])
