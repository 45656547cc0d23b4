"""Circuits and rates as people write them: what makes no sense is refused in words that help."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tether import Circuits, ProviderRates, Rates
from tether.value import Declared


@pytest.mark.parametrize(
    ("what", "fields", "told"),
    [
        (Circuits, {"failures": 0}, "greater than or equal to 1"),
        (Circuits, {"open_for": 0}, "greater than 0"),
        (Circuits, {"open_for": "soon"}, "'soon' is no number of seconds"),
        (Circuits, {"open_for": float("nan")}, "less than or equal to 86400"),
        (Circuits, {"probes": 0}, "greater than or equal to 1"),
        (Circuits, {"successes": 0}, "greater than or equal to 1"),
        (Circuits, {"wait": -1}, "greater than or equal to 0"),
        (Circuits, {"failure": 3}, "Extra inputs are not permitted"),
        (Rates, {"tool": 0}, "a rate of 0 lets nothing through; write None for no limit"),
        (Rates, {"user": 0.5}, "a rate of 0.5 lets nothing through"),
        (Rates, {"wait": 10**6}, "less than or equal to 3600"),
        (
            Rates,
            {"providers": {"antropic": {}}},
            "'antropic' is no provider; there are: openai, ",
        ),
        (Rates, {"providers": {"openai:gpt-5.2": {}}}, "'openai:gpt-5.2' is no provider"),
        (ProviderRates, {"tokens": -5}, "a rate of -5 lets nothing through"),
    ],
)
def test_thresholds_that_make_no_sense_are_refused(what: type[Declared], fields: dict[str, Any], told: str) -> None:
    """Nobody finds out at night that a limit lets nothing through, or holds for nobody."""
    with pytest.raises(ValidationError, match=told):
        what(**fields)
