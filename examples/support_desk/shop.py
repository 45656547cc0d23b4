"""The shop that the support desk works for: customers, orders and refunds, in a SQLite file of the example's own."""

import os
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

DB_VARIABLE = "SUPPORT_DESK_DB"
DEFAULT_DB = Path(tempfile.gettempdir()) / "tether-support-desk.db"

_TABLES = """
CREATE TABLE IF NOT EXISTS customers (id TEXT PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS orders (
    id TEXT PRIMARY KEY,
    customer_id TEXT NOT NULL REFERENCES customers (id),
    item TEXT NOT NULL,
    paid_cents INTEGER NOT NULL,
    days_since_delivery INTEGER
);
CREATE TABLE IF NOT EXISTS refunds (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    order_id TEXT NOT NULL REFERENCES orders (id),
    cents INTEGER NOT NULL,
    state TEXT NOT NULL
);
"""
_CUSTOMERS = (("k-1", "Ada Byron", "ada@example.com"), ("k-2", "Edmond Nkemelu", "edmond@example.com"))
_ORDERS = (
    ("1042", "k-1", "stoneware teapot", 1250, 4),
    ("1043", "k-1", "linen tablecloth", 3900, 75),
    ("1044", "k-2", "cast-iron pan", 5400, None),
)


class Customer(BaseModel):
    """A customer."""

    id: str
    name: str
    email: str


class Order(BaseModel):
    """An order; `days_since_delivery` is None while it is on its way."""

    id: str
    customer_id: str
    item: str
    paid_cents: int
    days_since_delivery: int | None


class Refund(BaseModel):
    """A line of the refund ledger: `entered` until the payment gateway has confirmed it, then `paid`."""

    id: int
    key: str
    order_id: str
    cents: int
    state: Literal["entered", "paid"]


class RefundRefused(Exception):
    """The ledger took no entry; the text says why."""


class Shop:
    """The shop's database. Every call opens the file anew, so any thread or process may make it.

    Args:
        path: The file; made and filled with the example's customers where it is missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._connection() as connection:
            connection.executescript(_TABLES)
            connection.executemany("INSERT OR IGNORE INTO customers VALUES (?, ?, ?)", _CUSTOMERS)
            connection.executemany("INSERT OR IGNORE INTO orders VALUES (?, ?, ?, ?, ?)", _ORDERS)

    def customer(self, email: str) -> Customer | None:
        """The customer with that address."""
        row = self._one("SELECT * FROM customers WHERE email = ?", email.strip().lower())
        return Customer.model_validate(dict(row)) if row else None

    def orders_of(self, email: str) -> list[Order]:
        """A customer's orders, oldest first."""
        query = """SELECT orders.* FROM orders JOIN customers ON customers.id = customer_id
            WHERE email = ? ORDER BY orders.id"""
        with self._connection() as connection:
            rows = connection.execute(query, (email.strip().lower(),)).fetchall()
        return [Order.model_validate(dict(row)) for row in rows]

    def order(self, order_id: str) -> Order | None:
        """The order of that number."""
        row = self._one("SELECT * FROM orders WHERE id = ?", order_id)
        return Order.model_validate(dict(row)) if row else None

    def refunds(self) -> list[Refund]:
        """The whole ledger."""
        with self._connection() as connection:
            rows = connection.execute("SELECT * FROM refunds ORDER BY id").fetchall()
        return [Refund.model_validate(dict(row)) for row in rows]

    def enter_refund(self, key: str, order_id: str, cents: int) -> Refund:
        """Write a refund into the ledger; a key that stands there already gives the entry that it stands at.

        Args:
            key: The idempotency key.
            order_id: The order.
            cents: How much.

        Raises:
            RefundRefused: No such order, or more than what is left of its price; nothing was written.
        """
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            row = connection.execute("SELECT * FROM refunds WHERE key = ?", (key,)).fetchone()
            if row is None:
                _check(connection, order_id, cents)
                values = (key, order_id, cents, "entered")
                query = "INSERT INTO refunds (key, order_id, cents, state) VALUES (?, ?, ?, ?) RETURNING *"
                row = connection.execute(query, values).fetchone()
        return Refund.model_validate(dict(row))

    def confirm_refund(self, key: str) -> Refund:
        """Note that the payment gateway has paid; doing it twice changes nothing."""
        with self._connection() as connection:
            query = "UPDATE refunds SET state = 'paid' WHERE key = ? RETURNING *"
            row = connection.execute(query, (key,)).fetchone()
        return Refund.model_validate(dict(row))

    def _one(self, query: str, *values: str) -> sqlite3.Row | None:
        with self._connection() as connection:
            found: sqlite3.Row | None = connection.execute(query, values).fetchone()
        return found

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self.path, timeout=10)
        connection.row_factory = sqlite3.Row
        try:
            with connection:
                yield connection
        finally:
            connection.close()


@asynccontextmanager
async def open_shop() -> AsyncIterator[Shop]:
    """The worker's shop, in the file that SUPPORT_DESK_DB names."""
    yield Shop(Path(os.environ.get(DB_VARIABLE) or DEFAULT_DB))


def _check(connection: sqlite3.Connection, order_id: str, cents: int) -> None:
    paid = connection.execute("SELECT paid_cents FROM orders WHERE id = ?", (order_id,)).fetchone()
    if paid is None:
        raise RefundRefused(f"there is no order {order_id!r}")
    query = "SELECT COALESCE(SUM(cents), 0) AS cents FROM refunds WHERE order_id = ?"
    back = connection.execute(query, (order_id,)).fetchone()
    left = paid["paid_cents"] - back["cents"]
    if cents > left:
        raise RefundRefused(f"order {order_id} has {left} cents left to give back, which is less than {cents}")
