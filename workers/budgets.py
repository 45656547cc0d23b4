"""The budgets of an App: read from their file, and checked against the App's agents."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tether.agent import App
from tether.budget.books import Books, Ledger
from tether.budget.check import problems
from tether.budget.config import Budgets
from tether.budget.config_load import BudgetsError, parse_budgets
from tether.workers.declared import beside, read_declared
from tether.workers.policies import read_policy

if TYPE_CHECKING:
    from tether.adapters.store.engine import Store

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


async def open_books(app: App, store: Store | None) -> OpenedBooks | None:
    """The ledger that an App's runs ask for money, told of the App's budgets; None where the App has none.

    Raises:
        BudgetsError: The budgets are written wrongly.
        PolicyError: The policy is.
        DeclarationError: A file can't be read.
        StoreUnavailable: The store is down, slow, or doesn't let us in.
        StoreOutdated: It has the schema of another version, or none.
    """
    budgets = budgets_of(app)
    if budgets is None:
        return None
    assert store  # noqa: S101  it is opened for an App with budgets
    # A third of a second that Apps without budgets needn't wait.
    from tether.adapters.store.books import PostgresBooks  # noqa: PLC0415
    from tether.adapters.store.ledger import PostgresLedger  # noqa: PLC0415

    opened = OpenedBooks(budgets=budgets, ledger=PostgresLedger(store), books=PostgresBooks(store))
    if await opened.books.configure(budgets):
        log.info("the budgets of %s hold from now on", budgets.source.name)
    return opened


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
