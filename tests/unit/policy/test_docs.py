"""The page about policies shows what can be written."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tether.policy.load import parse_policy
from tether.policy.rules import Policy

PAGE = (Path(__file__).parents[3] / "docs" / "policies.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The page's blocks in a language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("block", blocks("yaml"), ids=lambda block: block.splitlines()[0])
def test_every_block_of_yaml_is_part_of_a_policy(block: str) -> None:
    """A reader who copies a block gets what the page says: no key in it is refused."""
    if block.startswith("when:"):
        block = "rules:\n  - then: allow\n" + "".join(f"    {line}\n" for line in block.splitlines())
    elif "rules:" not in block:
        block += "rules: [{then: ask}]\n"
    assert parse_policy(block, "policies.md").pinned().rules


def test_the_block_of_python_is_a_policy() -> None:
    """The policy in Python can be copied too."""
    (block,) = [block for block in blocks("python") if "Policy(" in block]
    names: dict[str, Any] = {}
    exec(block, names)  # noqa: S102  the project's own page
    assert isinstance(names["policy"], Policy)


def test_the_five_rules_are_those_of_the_example() -> None:
    """The page's short form and the example's file say the same."""
    (block,) = [block for block in blocks("yaml") if "users read all" in block]
    example = Path(__file__).parents[3] / "examples" / "policies" / "five_rules.yaml"
    written = [
        [(rule["name"], rule.get("tool"), rule.get("resource"), rule["then"]) for rule in yaml.safe_load(text)["rules"]]
        for text in (block, example.read_text(encoding="utf-8"))
    ]
    assert written[0] == written[1]
