"""What a call was sent, made again from the record; and how summaries stand in it."""

from __future__ import annotations

import pytest

from tests.unit.run_parts import AGENT, LIMITS, TASK, call, problem, unanswered
from tests.unit.simulation import Simulation
from tests.unit.test_record import folded
from tether import Agent, Context, Model, ModelPrice, tool
from tether.errors import ErrorKind
from tether.fold import fold
from tether.manifest import Manifest
from tether.messages import AssistantMessage, CallBlock, user
from tether.model_records import ModelInput, ModelResult
from tether.provider import ModelRequest
from tether.records import SUMMARISE, RunSettings, SetupResult, TranscriptRef
from tether.sent import NothingSent, Sent, sent_for
from tether.starters.cli.sent import sent_lines
from tether.state import Ending
from tether.steps import step_count, steps_of
from tether.usage import Usage
from tether.window import Window

SUMMING = AGENT.model_copy(
    update={
        "context": Context(
            window=10,
            keep_turns=1,
            summarise_with=Model("openai:cheap", price=ModelPrice(input_usd="1", output_usd="1")),
        )
    }
)
SUMMARY = "Order 1 was looked up."


def looked_up(run: Simulation, times: int) -> None:
    """So many turns of one call each."""
    for number in range(times):
        run.begin()
        run.land_model("calls", (call(order_id=str(number)),))
        run.begin()
        run.land_call(f"c{number + 1}", "returned")


def summing(turns: int) -> Simulation:
    """A run of an agent that has old turns summed up."""
    run = Simulation(LIMITS)
    manifest = Manifest.of(SUMMING)
    pinned = SetupResult(manifest=manifest, digest=manifest.digest, settings=RunSettings())
    assert isinstance(run.events[2].data, dict)
    run.events[2].data.update(pinned.model_dump(mode="json", exclude_defaults=True))
    looked_up(run, turns)
    return run


def asked_for_a_summary(run: Simulation) -> int:
    """The activity of a summary is scheduled; the event's number."""
    given = ModelInput(
        agent=AGENT.name,
        manifest="m",
        turn=run.state.turn + 1,
        transcript=TranscriptRef(turns=run.state.turn, head=run.state.reached),
        composed=run.state.composed,
        max_output_tokens=10,
        active_ms=1_000,
        may_summarise=True,
    )
    return run._happens("scheduled", given, name=SUMMARISE)


def summed_up(run: Simulation, result: ModelResult) -> None:
    """A summary was made."""
    scheduled = asked_for_a_summary(run)
    run._happens("done", result, scheduled=scheduled)


def test_a_turns_call_is_made_again() -> None:
    """System text, task, calls and results, tools and limits are those that the turn's activity sent."""
    run = Simulation(LIMITS)
    looked_up(run, 2)
    record = folded(run.events)
    for step, count in ((1, 1), (2, 1), (3, 3), (4, 3)):  # each turn has a think step and a call's
        sent = sent_for(record, step)
        assert sent.request.messages == tuple(record.messages(sent.turn - 1))
        assert len(sent.request.messages) == count
        assert (sent.request.system, sent.request.max_output_tokens, sent.gap) == ("Be nice.", 10, None)
        assert [each.name for each in sent.request.tools] == ["look_up", "refund"]


def test_a_plans_call_is_made_again() -> None:
    """A plan's step was led to by the call for a plan; that of its repair says what was wrong."""
    run = Simulation(LIMITS, planning=True)
    run.begin()
    run.land_model("no plan")
    run.begin()
    run.land_model("plan")
    asked = [event.data for event in run.events if event.name == "tether:plan" and isinstance(event.data, dict)]
    asked[1]["repair"] = "no JSON"
    record = folded(run.events)
    first, second = (sent_for(record, step).request for step in (1, 2))
    assert "make a plan" in first.system
    assert first.messages == (user(TASK),)
    assert second.messages[-1] == user("Your plan could not be read: no JSON. Answer again with JSON only.")


def test_a_failed_call_can_be_seen_too() -> None:
    """A turn that was never answered was still asked."""
    run = Simulation(LIMITS)
    run.begin()
    run.land_model("failed")
    run.begin()
    assert sent_for(folded(run.events), 1).request.messages == (user(TASK),)


@pytest.mark.parametrize("step", [2, 99])
def test_a_step_that_is_not_there_is_refused(step: int) -> None:
    """The message says which steps there are."""
    run = Simulation(LIMITS)
    run.begin()
    run.land_model("text")
    with pytest.raises(NothingSent, match="has steps 1 to 1"):
        sent_for(folded(run.events), step)


def test_a_summary_is_a_step_of_its_own() -> None:
    """It stands before the turn that it was made for, with its own model, tokens and cost, and its words as output."""
    run = summing(4)
    window = Window(epoch=1, dropped=3, previews=3, summary=SUMMARY, summarised=3, preview_bytes=400)
    made = ModelResult(window=window, model="openai:cheap", usage=Usage(input=50, output=5), cost=55, content="s")
    summed_up(run, made)
    run.begin()
    run.land_model("text")
    record = folded(run.events)
    *_, summary, answer = steps_of(record)
    assert (summary.turn, answer.turn, summary.number) == (5, 5, answer.number - 1)
    assert (summary.output, summary.model, summary.cost) == (SUMMARY, "openai:cheap", 55)
    assert step_count(made) == 1
    sent = sent_for(record, summary.number)
    assert sent.request.model == "openai:cheap"
    assert isinstance(sent.request.messages[0].model_dump()["text"], str)
    assert "look_up" in sent.request.messages[0].model_dump()["text"]


def test_a_summary_is_taken_once() -> None:
    """The one that a worker remembers, and the same from the history, are one."""
    run = summing(2)
    made = ModelResult(window=Window(epoch=1, dropped=1, summary=SUMMARY), content="s", request_id="r")
    record = folded(run.events)
    record.turn(3).summarised(made)
    summed_up(run, made)
    for event in run.events:
        fold(record, event)
    assert len(record.turns[3].summaries) == 1


def broken(run: Simulation, kind: ErrorKind, cost: int = 0) -> None:
    """An attempt at a summary failed."""
    scheduled = asked_for_a_summary(run)
    failure = unanswered(kind).model_copy(update={"cost": cost})
    run._happens("broke", failure, scheduled=scheduled, how="failed")


def test_a_summary_that_failed_for_good_is_in_the_record() -> None:
    """A line says what went wrong and what is charged for it, once the turn goes on without."""
    run = summing(2)
    broken(run, ErrorKind.LOST, 7)
    assert not folded(run.events).turns[3].summaries
    broken(run, ErrorKind.AUTHENTICATION, 5)
    run.begin()
    run.land_model("text")
    failed = [step for step in steps_of(folded(run.events)) if step.turn == 3 and step.action == "think"]
    assert [(step.error, step.cost) for step in failed] == [(problem(ErrorKind.AUTHENTICATION), 5)]


def test_a_summary_that_came_at_last_is_one_line() -> None:
    """What was lost before is an attempt of it, not a line of its own."""
    run = summing(2)
    broken(run, ErrorKind.LOST, 7)
    summed_up(run, ModelResult(window=Window(epoch=1, dropped=1, summary=SUMMARY), content="s"))
    record = folded(run.events)
    assert [len(record.turns[3].summaries), len(record.turns[3].failures)] == [1, 0]


def test_a_run_that_ended_in_a_summary_says_so() -> None:
    """Where the run ended with the summary, its failure is the last line, as that of a turn would be."""
    run = summing(2)
    broken(run, ErrorKind.LOST, 7)
    run.state.ending = Ending(outcome="error", why="x")
    run.begin()
    last = steps_of(folded(run.events))[-1]
    assert (last.action, last.error, last.cost) == ("error", problem(ErrorKind.LOST), 7)


def test_asking_for_a_summary_is_no_turn() -> None:
    """A turn's activity that only said that a summary is due leaves no trace in the record."""
    run = summing(2)
    before = steps_of(folded(run.events))
    run.begin()
    _, scheduled = run.flying["model"]
    due = ModelResult.model_validate({"summary_due": {"input_bytes": 10, "max_output_tokens": 10}})
    run._happens("done", due, scheduled=scheduled)
    assert steps_of(folded(run.events)) == before
    assert step_count(due) == 0


@tool(effect="unsafe", sensitive=["pin"])
def pay(iban: str, pin: str) -> str:
    """Pay."""
    return f"{iban} {pin}"


def test_sensitive_arguments_are_marked() -> None:
    """What is printed of a call doesn't show what its tool calls sensitive, nor what would colour a terminal."""
    agent = Agent(name="a", instructions="Pay.\x1b[31m", models="openai:m", tools=[pay])
    made = CallBlock(kind="call", provider_id="p1", tool="pay", arguments={"iban": "DE1", "pin": "7531"})
    unread = CallBlock(kind="call", provider_id="p2", tool="pay", raw='{"pin": 7531')
    request = ModelRequest(
        model="openai:m",
        system=agent.instructions,
        messages=(user("Go"), AssistantMessage(role="assistant", blocks=(made, unread))),
        max_output_tokens=5,
    )
    shown = "\n".join(line.plain for line in sent_lines(Sent(1, request), Manifest.of(agent)))
    assert "DE1" in shown
    assert "7531" not in shown
    assert "\x1b" not in shown
