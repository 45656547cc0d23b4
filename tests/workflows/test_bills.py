"""What a model call is charged at where its bill is not known, or its reply leads to nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import PauseActivityRequest

from tests.store.conftest import embedded, url  # noqa: F401  fixtures
from tests.workflows.test_budget import desk
from tests.workflows.test_cancel import until_yielded
from tests.workflows.test_ledger import Spending, spending  # noqa: F401  fixtures
from tether.errors import ErrorKind
from tether.result import RunResult
from tether.step import AgentStep
from tether.testing.harness import Tether
from tether.testing.wire import Reset, ScriptedUsage, Stall, says

UNREPORTED = ScriptedUsage(input=0, output=0)


@dataclass(frozen=True)
class Line:
    """A charge as the statement has it."""

    name: str
    amount: int
    known: bool


async def ended(spending: Spending, handle: Any) -> tuple[RunResult, list[AgentStep], list[Line]]:  # noqa: F811
    """A run that has ended, its steps and its charges; all three have the same sum."""
    result = await handle.result()
    steps = [step async for step in handle.steps()]
    statement = await spending.books.statement("user:u-17")
    lines = [Line(line.name, line.amount, line.known) for line in statement.lines]
    assert result.cost == sum(step.cost for step in steps) == sum(line.amount for line in lines)
    assert result.usage == sum((step.usage for step in steps[1:]), steps[0].usage)
    return result, steps, lines


async def test_an_unreported_bill_never_passes_what_was_reserved(tether: Tether) -> None:
    """Bytes are counted where no tokens are reported, but a run's cap holds: a call costs no more than was reserved."""
    tether.script(replace(says("word " * 790), usage=UNREPORTED))
    handle = await tether.start(desk(limits={"max_cost_usd": "0.0130"}), "Write")
    result = await handle.result()
    assert (result.outcome, 10_000 < result.cost <= 13_000) == ("completed", True)


async def test_a_bill_that_was_not_reported_is_marked(spending: Spending) -> None:  # noqa: F811
    """What we counted ourselves doesn't stand as known."""
    spending.tether.script(replace(says("Done."), usage=UNREPORTED))
    _, _, (line,) = await ended(spending, await spending.start(desk()))
    assert (line.name, line.known, line.amount > 0) == ("openai:scripted", False, True)


@pytest.mark.parametrize("written", [2, 1_000_000])
async def test_input_is_not_free_where_output_alone_is_reported(spending: Spending, written: int) -> None:  # noqa: F811
    """No call reads nothing: its input counts by its bytes, and nothing of what was reported is left out."""
    spending.tether.script(replace(says("Paid."), usage=ScriptedUsage(input=0, output=written)))
    result, _, (line,) = await ended(spending, await spending.start(desk()))
    assert (line.known, line.amount > 200, line.amount >= 10 * written) == (False, True, True)
    assert (result.usage.input > 100, result.usage.output) == (True, written)


async def test_a_connection_cut_after_the_request_is_paid_for(spending: Spending) -> None:  # noqa: F811
    """A provider that has read a request may bill it though nothing came back: each such attempt at its worst case."""
    spending.tether.script(Reset(), Reset(), says("Done."))
    result, (step,), lines = await ended(spending, await spending.start(desk()))
    assert (result.outcome, len(spending.tether.wire.requests)) == ("completed", 3)
    assert [attempt.error.kind for attempt in step.failed] == [ErrorKind.STREAM_CUT] * 2
    assert [line.known for line in lines] == [False, False, True]
    assert all(attempt.cost > 10_000 for attempt in step.failed)


async def test_a_lost_call_is_charged_to_the_model_that_was_asked(spending: Spending) -> None:  # noqa: F811
    """A statement by model has what nobody reported too."""
    spending.tether.script(Reset(), says("Done."))
    _, _, lines = await ended(spending, await spending.start(desk()))
    assert [line.name for line in lines] == ["openai:scripted"] * 2


async def test_a_call_that_was_paused_and_then_cancelled_is_paid_for(spending: Spending) -> None:  # noqa: F811
    """The provider was asked before the pause: that the run was cancelled afterwards doesn't make it free."""
    tether = spending.tether
    tether.script(Stall(says("Never.")))
    run = await spending.start(desk())
    await tether.wire.wait_for_requests(1)
    service, namespace = tether.client.workflow_service, tether.client.namespace
    execution = WorkflowExecution(workflow_id=run.id)
    await service.pause_activity(PauseActivityRequest(namespace=namespace, execution=execution, type="tether:think"))
    await until_yielded(tether, run.id)
    await run.cancel()
    result, _, (line,) = await ended(spending, run)
    assert (result.outcome, line.known, line.amount > 10_000) == ("cancelled", False, True)


async def test_a_reply_that_is_too_large_costs_what_was_reported(spending: Spending) -> None:  # noqa: F811
    """Once there is a reply its bill is known, whatever becomes of it: above what was reserved too."""
    spending.tether.script(replace(says("x" * 3_000_000), usage=ScriptedUsage(input=100, output=1_000_000)))
    result, (step,), lines = await ended(spending, await spending.start(desk()))
    assert result.error
    assert result.error.kind is ErrorKind.TOO_LARGE
    assert lines == [Line("openai:scripted", 100 + 10_000_000, known=True)]
    assert (step.model, step.usage.input, step.usage.output) == ("openai:scripted", 100, 1_000_000)
