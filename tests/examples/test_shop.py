from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from examples.support_desk.shop import RefundRefused, Shop


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A shop of its own."""
    return Shop(tmp_path / "shop.db")


def test_a_refund_is_entered_once_under_a_key(shop: Shop) -> None:
    """A second refund with the same key gives the first one's entry, even for another amount, and writes nothing."""
    first = shop.enter_refund("key", "1042", 1250)
    assert shop.enter_refund("key", "1042", 1250) == first
    assert shop.enter_refund("key", "1042", 100) == first
    assert shop.refunds() == [first]


def test_a_paid_refund_stays_paid(shop: Shop) -> None:
    """A repeated refund finds what became of the first one; confirming it twice changes nothing."""
    shop.enter_refund("key", "1042", 1250)
    paid = shop.confirm_refund("key")
    assert paid.state == "paid"
    assert shop.enter_refund("key", "1042", 1250) == shop.confirm_refund("key") == paid


def test_attempts_at_the_same_time_enter_one_refund(shop: Shop) -> None:
    """Attempts that run at the same time, with one key, leave one entry."""
    with ThreadPoolExecutor(8) as threads:
        entered = list(threads.map(lambda _: shop.enter_refund("key", "1042", 1250), range(16)))
    assert entered == shop.refunds() * 16


def test_another_key_gives_back_no_more_than_was_paid(shop: Shop) -> None:
    """What was given back under other keys counts against the price, and a refusal writes nothing."""
    shop.enter_refund("one", "1042", 1000)
    with pytest.raises(RefundRefused, match="250 cents left"):
        shop.enter_refund("two", "1042", 251)
    shop.enter_refund("three", "1042", 250)
    assert [refund.cents for refund in shop.refunds()] == [1000, 250]


def test_an_unknown_order_gets_no_refund(shop: Shop) -> None:
    """There is no refund without an order."""
    with pytest.raises(RefundRefused, match="no order '9999'"):
        shop.enter_refund("key", "9999", 1)
    assert shop.refunds() == []


def test_the_file_is_filled_once(shop: Shop) -> None:
    """Opening a file that is there keeps what is in it."""
    shop.enter_refund("key", "1042", 1250)
    again = Shop(shop.path)
    assert again.refunds() == shop.refunds()
    assert [order.id for order in again.orders_of("Ada@example.com ")] == ["1042", "1043"]
