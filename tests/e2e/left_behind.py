"""What a program leaves behind: files in its temporary folder, and processes that were told of that folder."""

import subprocess
from pathlib import Path


def processes_of(folder: Path) -> list[str]:
    """Processes that have the folder in their command line or, where `ps` shows it, in their environment."""
    shown = subprocess.run(["ps", "axeww", "-o", "pid=,args="], capture_output=True, text=True, check=True)  # noqa: S607  wherever the system keeps it
    return [line.split()[0] for line in shown.stdout.splitlines() if str(folder) in line]
