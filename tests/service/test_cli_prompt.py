"""`tether show --prompt`: what a model was sent."""

import json

from tests.service.conftest import Command
from tests.service.test_cli_look import key, ran
from tether.starters.cli.exits import ExitStatus


def test_what_was_sent_can_be_seen(tether_command: Command) -> None:
    """System text, messages, results, tools and limits of the call that led to a step; --json is the request itself."""
    mine = ran(tether_command, "look_up 1, Done.")
    shown = tether_command("show", mine, "--prompt", "2").stdout
    for part in (
        "to openai",
        "turn 2",
        "── system",
        "look_up 1, Done.",
        "calls look_up",
        "order 1: paid",
        "── tool refund",
    ):
        assert part in shown
    assert "\x1b" not in shown
    request = json.loads(tether_command("show", mine, "--prompt", "2", "--json").stdout)
    assert [message["role"] for message in request["messages"]] == ["user", "assistant", "tool"]
    assert request["max_output_tokens"] > 0
    first = json.loads(tether_command("show", mine, "--prompt", "1", "--json").stdout)
    assert first["messages"] == request["messages"][:1]
    assert first["tools"] == request["tools"]


def test_a_step_that_is_none_is_said(tether_command: Command) -> None:
    """A number that no step has is refused with those that there are."""
    mine = ran(tether_command, "look_up 1, Done.")
    refused = tether_command("show", mine, "--prompt", "9")
    assert refused.returncode == ExitStatus.NOT_FOUND
    assert "it has steps 1 to 2" in refused.stderr
    assert tether_command("show", key(), "--prompt", "1").returncode == ExitStatus.NOT_FOUND
