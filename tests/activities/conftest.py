"""What the tests of adapters and activities share."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

AIMOCK = Path(__file__).parents[2] / "node_modules/@copilotkit/aimock/dist/cli.js"
FIXTURES = {
    "fixtures": [
        {"match": {"userMessage": "say hello"}, "response": {"content": "Hello from a peer nobody here wrote. " * 5}},
        {
            "match": {"userMessage": "answer in JSON"},
            "response": {"content": {"city": "Oslo", "degrees": 7}},
        },
        {
            "match": {"userMessage": "think first"},
            "response": {"content": "Sunny.", "reasoning": "The user wants the weather."},
        },
        {
            "match": {"userMessage": "one call", "hasToolResult": False},
            "response": {"toolCalls": [{"id": "call_one", "name": "look_up", "arguments": {"city": "Oslo"}}]},
        },
        {
            "match": {"userMessage": "one call", "toolResultContains": "7 degrees"},
            "response": {"content": "It is cold."},
        },
        {
            "match": {"userMessage": "two calls", "hasToolResult": False},
            "response": {
                "blocks": [
                    {"type": "text", "text": "Looking."},
                    {"type": "toolCall", "id": "call_a", "name": "look_up", "arguments": {"city": "Oslo"}},
                    {"type": "toolCall", "id": "call_b", "name": "look_up", "arguments": {"city": "Bergen"}},
                ]
            },
        },
        {
            "match": {"userMessage": "two calls", "hasToolResult": True},
            "response": {"content": "Both are cold."},
        },
    ]
}


@pytest.fixture(scope="session")
def aimock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running @copilotkit/aimock, a mock of the providers' wires that nobody here wrote."""
    node = shutil.which("node")
    if node is None or not AIMOCK.exists():
        pytest.fail("these tests need node and @copilotkit/aimock: run `make test`, or `npm install --no-package-lock`")
    fixtures = tmp_path_factory.mktemp("aimock") / "fixtures.json"
    fixtures.write_text(json.dumps(FIXTURES))
    command = [node, str(AIMOCK), "--port", "0", "--fixtures", str(fixtures), "--strict"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            yield _address(process)
        finally:
            process.terminate()


def _address(process: subprocess.Popen[str]) -> str:
    said = []
    for line in process.stdout or ():
        said.append(line)
        if found := re.search(r"listening on (http://\S+)", line):
            return found[1]
    pytest.fail(f"aimock didn't start: {''.join(said)}")
