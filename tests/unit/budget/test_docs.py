"""The page about budgets shows what can be written."""

import re
from pathlib import Path

import pytest

from tether.budget.config_load import parse_budgets

PAGE = (Path(__file__).parents[3] / "docs" / "budgets.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[0])
def test_every_block_of_yaml_is_part_of_budgets(block: str) -> None:
    """A reader who copies a block gets what the page says: no key in it is refused."""
    if "defaults:" not in block:
        block += "defaults: {user: refuse, team: refuse, tenant: refuse, agent: refuse}\n"
    assert parse_budgets(block, "budgets.md").source.name == "budgets.md"
