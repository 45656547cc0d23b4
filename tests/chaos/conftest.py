"""What the tests of this folder start, and end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chaos.worker import stop_forking


@pytest.fixture(scope="module", autouse=True)
def _forking() -> Iterator[None]:
    """Leaves no process behind from which workers were forked."""
    yield
    stop_forking()
