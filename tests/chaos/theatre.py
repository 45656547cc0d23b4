"""What all stages share: the server, the scripted model, and where is kept what went wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from temporalio.client import Client

from tests.chaos.worker import Serving
from tether.testing.wire import Reply, Request, WireServer, calls, says

HEARTBEAT = 1.5
"""Of the workers, in seconds."""


class Theatre:
    """What the stages share: the server, the scripted model, and a folder for what went wrong.

    Args:
        client: Of the server.
        wire: The scripted model.
        folder: A trial's files are kept in it where something did not hold.
        fenceless: Whether workers go without the fence, to see that it is missed.
    """

    def __init__(self, client: Client, wire: WireServer, folder: Path, *, fenceless: bool = False) -> None:
        self.client = client
        self.folder = folder
        self.fenceless = fenceless
        self.heard: dict[str, tuple[str, ...]] = {}
        self._url = wire.openai_url
        wire.follow(self._answer)

    def serving(self, folder: Path, queue: str) -> Serving:
        """What a worker of a trial needs."""
        settings: dict[str, Any] = {
            "task_queue": queue,
            "heartbeat": HEARTBEAT,
            "unsafe_heartbeat": HEARTBEAT,
            "model_attempts": 50,
            "OPENAI_API_KEY": "no-real-key",
            "OPENAI_BASE_URL": self._url,
        }
        address = self.client.service_client.config.target_host
        return Serving(folder=folder, address=address, settings=settings, fenceless=self.fenceless)

    def _answer(self, request: Request) -> Reply:
        """A model that makes the call which the task names, notes what it is told of it, and is content."""
        if not request.tool_results:
            return calls(request.user_text.partition(" ")[0])
        self.heard[request.user_text] = tuple(result.text for result in request.tool_results)
        return says("Done.")
