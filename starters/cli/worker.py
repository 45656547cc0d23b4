"""`tether worker`."""

from __future__ import annotations

from tether.starters.cli.exits import ExitStatus
from tether.starters.cli.main import app, carry_out
from tether.starters.cli.options import AppPath


@app.command()
def worker(app_at: AppPath = None) -> None:
    """Serve an App's agents until told to stop; then finish what was begun.

    Ctrl-C or SIGTERM drains: no new work, TETHER_DRAIN seconds for what runs. A second one stops at once.
    """
    carry_out(_worker(app_at), logs=True)


async def _worker(app_at: str | None) -> ExitStatus:
    import logging
    from pathlib import Path

    from tether.adapters.connection import connect
    from tether.adapters.settings import Settings
    from tether.starters.cli.stopping import stop_on_signals
    from tether.workers.app_loader import app_path, load_app
    from tether.workers.bootstrap import run_worker

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("tether").setLevel(logging.INFO)
    # The tool's own traceback was just logged; this would be the same once more, with Tether's and Temporal's frames.
    logging.getLogger("temporalio.activity").addFilter(lambda said: not said.msg.startswith("Completing activity as"))
    folder = Path.cwd()
    served = load_app(app_path(app_at, folder), folder)
    settings = Settings.load()
    client = await connect()
    await run_worker(served, settings, client, stop=stop_on_signals())
    return ExitStatus.SUCCESS
