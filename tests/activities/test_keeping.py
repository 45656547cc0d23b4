"""Large results on their way: whatever happens where they are kept, the call that was made has succeeded."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from temporalio.client import Client

from tests.activities.one_activity import given, serving
from tether import Happened, Tool, tool
from tether.activities import keeping as module
from tether.activities.keeping import Keeping
from tether.contents import Content, Read
from tether.ids import content_id
from tether.store import StoreOutdated, StoreUnavailable
from tether.tool_records import ReconcileInput, ToolInput, ToolResult
from tether.values import MAX_RESULT_BYTES

LARGE = "ä" * 150_000
DOWN = StoreUnavailable("the store is down")


class Faulty:
    """Stands for a store; it fails so, one error after the other, and then keeps what it is given.

    Attributes:
        kept: By reference.
    """

    def __init__(self, *errors: Exception | None) -> None:
        self._errors = list(errors)
        self.asked = 0
        self.kept: dict[str, Content] = {}

    async def put(self, content: Content) -> None:
        self.asked += 1
        error = self._errors.pop(0) if self._errors else None
        if isinstance(error, asyncio.TimeoutError):
            await asyncio.Event().wait()
        if error:
            raise error
        self.kept[content.reference] = content

    async def read(self, reference: str, tenant: str, offset: int, length: int) -> Read | None:
        raise NotImplementedError

    async def forget(self) -> int:
        raise NotImplementedError


def acting(called: list[int], returned: Any = LARGE, effect: Any = "unsafe", **labels: Any) -> Tool:
    """A tool that returns so much."""

    async def act(number: int = 1) -> Any:
        """Act."""
        called.append(number)
        return returned

    made: Tool = tool(effect=effect, **labels)(act)
    return made


def asked(made: Tool, **changes: Any) -> ToolInput:
    """A call of a run whose model can read on."""
    return given(made, number=1).model_copy(update={"reads_on": True} | changes)


async def told(client: Client, made: Tool, call: ToolInput, store: Faulty | None) -> ToolResult:
    """What a call returns."""
    async with serving(client, made, keeping=Keeping(store, 64 * 1024)) as stage:
        result = await stage.call(made, call)
    assert isinstance(result, ToolResult)
    assert result.content == content_id(str(result.value))
    assert result.size == len(str(result.value).encode())
    return result


@pytest.mark.parametrize("errors", [(), (DOWN,), (DOWN, DOWN, DOWN)])
async def test_a_store_that_comes_back_keeps_it(client: Client, errors: tuple[Exception, ...]) -> None:
    """A few failures are sat out; all of the result is kept, and of the run and tenant that it belongs to."""
    called: list[int] = []
    store = Faulty(*errors)
    result = await told(client, made := acting(called), asked(made), store)
    (content,) = store.kept.values()
    assert result.kept
    assert (content.text, content.tenant, content.call) == (LARGE, "default", "c1")
    assert content.run.startswith("one-")
    assert (result.kept.reference, result.kept.size) == (content.reference, 300_000)
    assert str(result.value).startswith(f'[read_result(result="{content.reference}"')
    assert called == [1]


@pytest.mark.parametrize(
    ("errors", "tries"),
    [
        ((DOWN,) * 4, 4),
        ((StoreOutdated("another schema"),), 1),
        ((RuntimeError("a mistake of ours"),), 1),
        ((TimeoutError(),), 1),
    ],
)
async def test_a_store_that_stays_away_cuts_it(
    client: Client, monkeypatch: pytest.MonkeyPatch, errors: tuple[Exception, ...], tries: int
) -> None:
    """Down, outdated, broken or silent: the unsafe call has succeeded, was made once, and says what is missing."""
    monkeypatch.setattr(module, "WITHIN_SECONDS", 1.0 if isinstance(errors[0], TimeoutError) else 8.0)
    called: list[int] = []
    store = Faulty(*errors)
    result = await told(client, made := acting(called), asked(made), store)
    assert result.kept is None
    assert result.size <= MAX_RESULT_BYTES
    assert "could not be reached" in str(result.value)
    assert (called, store.asked) == ([1], tries)


async def test_what_a_history_can_carry_is_whole_where_the_store_is_away(client: Client) -> None:
    """Nothing is lost for its being larger than what is told whole else."""
    made = acting([], "x" * 100_000)
    result = await told(client, made, asked(made), Faulty(*[StoreOutdated("another schema")] * 2))
    assert (result.value, result.kept) == ("x" * 100_000, None)


async def test_a_run_that_can_not_read_on_is_not_told_to(client: Client) -> None:
    """A run that began before there was a store has no tool to read on: it hears as much as it would have then."""
    made, store = acting([]), Faulty()
    result = await told(client, made, asked(made, reads_on=False), store)
    assert (result.kept, store.asked) == (None, 0)
    assert "this run began where large results were not kept" in str(result.value)


async def test_data_is_kept_as_the_model_would_read_it(client: Client) -> None:
    """A result that is no text becomes JSON, whole in the store and as a preview for the model."""
    store = Faulty()
    made = acting([], {"rows": ["ö"] * 30_000})
    result = await told(client, made, asked(made), store)
    (content,) = store.kept.values()
    assert content.text.startswith('{"rows": ["ö", "ö"')
    assert '\n{"rows": ["ö"' in str(result.value)


async def test_what_a_search_found_is_kept_too(client: Client) -> None:
    """A tool that says what became of a call may say a lot."""

    async def found(number: int) -> Happened:
        return Happened(LARGE)

    store = Faulty()
    made = acting([], reconcile=found)
    async with serving(client, made, keeping=Keeping(store, 64 * 1024)) as stage:
        result = await stage.reconcile(ReconcileInput(call=asked(made), why="lost"))
    assert result.verdict == "happened"
    assert result.kept
    assert store.kept[result.kept.reference].text == LARGE
    assert result.content == content_id(str(result.value))
