"""Where large results of tools are kept, and the agents that can read on in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tether.activities.keeping import CUTTING, Keeping
from tether.activities.reading import reading_on
from tether.adapters.settings import Settings
from tether.agent import Agent, App
from tether.contents import Contents

if TYPE_CHECKING:
    from tether.adapters.store.engine import Store


@dataclass(frozen=True)
class Served:
    """The App's agents with what becomes of their large results.

    Attributes:
        agents: By name, with `read_result` where there is a store.
        keeping: How much of a result a model is told.
        contents: Where the rest is kept; None for nowhere.
    """

    agents: Mapping[str, Agent]
    keeping: Keeping
    contents: Contents | None


def served(app: App, settings: Settings, store: Store | None) -> Served:
    """What a worker serves; called on the event loop on which the store is used.

    Raises:
        DeclarationError: An agent, or the App, has something else that is named `read_result`, and there is a store.
    """
    if store is None:
        return Served(app.agents, CUTTING, None)
    # A third of a second that Apps without a store needn't wait.
    from tether.adapters.store.contents import PostgresContents  # noqa: PLC0415

    contents = PostgresContents(store)
    return Served(reading_on(app.agents, contents), Keeping(contents, settings.max_result), contents)
