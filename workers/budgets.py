"""The budgets of an App: read from their file, and checked against the App's agents."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tether.adapters.connection import store_url
from tether.adapters.settings import Settings
from tether.agent import App
from tether.budget.books import Books, Ledger
from tether.budget.check import problems
from tether.budget.config import Budgets
from tether.budget.config_load import BudgetsError, parse_budgets
from tether.workers.declared import beside, read_declared
from tether.workers.policies import read_policy

log = logging.getLogger("tether.worker")


@dataclass(frozen=True)
class OpenedBooks:
    """What a worker of an App with budgets needs of the store.

    Attributes:
        budgets: Of the App, with the policy's people.
        ledger: What runs ask.
        books: What people and schedules do.
    """

    budgets: Budgets
    ledger: Ledger
    books: Books


@asynccontextmanager
async def open_books(app: App, settings: Settings) -> AsyncIterator[OpenedBooks | None]:
    """The ledger that an App's runs ask for money, told of the App's budgets; None where the App has none.

    Raises:
        BudgetsError: The budgets are written wrongly.
        PolicyError: The policy is.
        DeclarationError: A file can't be read.
        SettingsError: No store is named.
        StoreUnavailable: It is down, slow, or doesn't let us in.
        StoreOutdated: It has the schema of another version, or none.
    """
    budgets = budgets_of(app)
    if budgets is None:
        yield None
        return
    async with _opened(store_url(settings), budgets) as opened:
        if await opened.books.configure(budgets):
            log.info("the budgets of %s hold from now on", budgets.source.name)
        yield opened


@asynccontextmanager
async def _opened(url: str, budgets: Budgets) -> AsyncIterator[OpenedBooks]:
    # A third of a second that Apps without budgets needn't wait.
    from tether.adapters.store.books import PostgresBooks  # noqa: PLC0415
    from tether.adapters.store.engine import Store  # noqa: PLC0415
    from tether.adapters.store.ledger import PostgresLedger  # noqa: PLC0415
    from tether.adapters.store.migrate import check  # noqa: PLC0415

    await check(url)
    async with Store(url) as store:
        yield OpenedBooks(budgets=budgets, ledger=PostgresLedger(store), books=PostgresBooks(store))


def budgets_of(app: App) -> Budgets | None:
    """The budgets that an App's runs are held to, with the policy's people; None where the App has none.

    Warnings go to the worker's log.

    Raises:
        BudgetsError: They are written wrongly; says all that is wrong, with the lines.
        PolicyError: The policy is.
        DeclarationError: A file can't be read.
    """
    budgets = merged_budgets(app)
    if budgets is not None:
        for problem in problems(budgets, app.agents):
            log.warning("%s", problem.text(budgets.source.name))
    return budgets


def merged_budgets(app: App, budgets: Budgets | None = None) -> Budgets | None:
    """Budgets with the people of the App's policy; None where there are none.

    Args:
        app: The App.
        budgets: In place of the App's.

    Raises:
        BudgetsError: They are written wrongly.
        PolicyError: The policy is.
        DeclarationError: A file can't be read.
    """
    budgets = budgets or read_budgets(app)
    policy = read_policy(app) if budgets else None
    return budgets.with_people(policy.people) if budgets and policy else budgets


def read_budgets(app: App) -> Budgets | None:
    """The budgets as they are written, not checked against the App; None where the App has none.

    Raises:
        BudgetsError: They can't be parsed.
        DeclarationError: Their file can't be read.
    """
    if app.budgets is None or isinstance(app.budgets, Budgets):
        return app.budgets
    return read_budgets_file(beside(app, app.budgets))


def read_budgets_file(file: Path) -> Budgets:
    """Budgets from a file.

    Raises:
        BudgetsError: They can't be parsed.
        DeclarationError: The file can't be read.
    """
    return read_declared(file, "budgets", parse_budgets, BudgetsError)
