"""What people are told where a run has no answer: which reply, in whose words, and what it must not hide."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, get_args

import pytest
from pydantic import ValidationError
from rich.console import Console

from tests.unit.run_parts import result
from tether import Agent, Fallbacks
from tether.contract import EffectState
from tether.errors import ErrorKind, RunError
from tether.fallback import Fallback, FallbackReason
from tether.fallback_texts import FallbackSaid, asked_of_function, error_of, fallback_of, reason_of
from tether.fallbacks import MAX_REPLY_BYTES, NoReply, PinnedFallbacks, reply_of
from tether.manifest import Manifest
from tether.result import EffectCounts, EffectLine, Outcome, RunResult, ToolUse
from tether.starters.cli.lines import result_lines

SHIPPED = PinnedFallbacks()
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


def ended(outcome: Outcome, kind: ErrorKind | None = None, **fields: Any) -> RunResult:
    """A run that ended so."""
    error = None if kind is None else RunError(kind=kind, message="as it was")
    return result(outcome=outcome, succeeded=outcome == "completed", why="so it is", error=error, **fields)


def effect(state: EffectState, number: int = 1) -> EffectLine:
    """What became of one refund."""
    return EffectLine(call=f"c{number}", tool="refund", resource=f"order:{number}", state=state)


def sorry(error: RunError, run: RunResult) -> str:
    """A function as an agent has it."""
    return f"Sorry: {error.kind} of {run.user}"


def desk(**fallbacks: Any) -> Agent:
    """An agent with these replies."""
    return Agent(name="desk", instructions="Help.", models="openai:gpt", fallbacks=Fallbacks(**fallbacks))


def told(made: RunResult, pinned: PinnedFallbacks = SHIPPED, said: FallbackSaid | None = None) -> Fallback:
    """The reply of a run that has one."""
    fallback = fallback_of(made, pinned, said)
    assert fallback is not None
    return fallback


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_ending_without_an_answer_has_a_reply(outcome: Outcome) -> None:
    """All but an answer and a person's own stop; each keeps what went wrong, under a kind of its own name."""
    made = ended(outcome)
    fallback = fallback_of(made, SHIPPED)
    assert (fallback is None) == (outcome in {"completed", "cancelled"})
    if fallback:
        kind = ErrorKind.INTERNAL if outcome == "error" else ErrorKind(outcome)
        assert fallback.original_error == RunError(kind=kind, message="so it is")
        assert "completed" in fallback.message
        assert not fallback.problem


@pytest.mark.parametrize(
    ("outcome", "kind", "reason"),
    [
        ("error", ErrorKind.CONNECTION, "model_unavailable"),
        ("error", ErrorKind.CIRCUIT_OPEN, "model_unavailable"),
        ("error", ErrorKind.OVERLOADED, "model_unavailable"),
        ("error", ErrorKind.AUTHENTICATION, "model_unavailable"),
        ("error", ErrorKind.RATE_LIMITED, "rate_limited"),
        ("error", ErrorKind.RATE_LIMIT_EXCEEDED, "rate_limited"),
        ("error", ErrorKind.TOOL_TIMEOUT, "tool_failed"),
        ("error", ErrorKind.UNKNOWN_AGENT, "generic"),
        ("error", ErrorKind.INTERNAL, "generic"),
        ("timeout", None, "timed_out"),
        ("budget", None, "budget"),
        ("max_steps", None, "generic"),
        ("refused", ErrorKind.CONTENT_FILTER, "generic"),
        ("context_too_long", ErrorKind.CONTEXT_TOO_LONG, "generic"),
        ("unknown_effect", ErrorKind.UNKNOWN_EFFECT, "generic"),
    ],
)
def test_an_ending_has_its_reason(outcome: Outcome, kind: ErrorKind | None, reason: FallbackReason) -> None:
    """By the error's kind, or the ending's name where there is no error."""
    assert reason_of(ended(outcome, kind)) == reason


@pytest.mark.parametrize(("failed", "reason"), [(0, "generic"), (2, "generic"), (3, "tool_failed")])
def test_tools_that_failed_are_what_stood_in_the_way(failed: int, reason: FallbackReason) -> None:
    """A run that came to its limits with most of its calls failed is told as that of tools."""
    tools = (ToolUse(tool="a", calls=2, failed=min(failed, 2)), ToolUse(tool="b", calls=2, failed=max(0, failed - 2)))
    assert reason_of(ended("max_steps", tools=tools)) == reason


def test_shipped_words_say_what_to_do() -> None:
    """To wait where that helps, to turn to people where it doesn't, and never to repeat what was done."""
    assert told(ended("error", ErrorKind.OVERLOADED)).message.endswith("Please try again in a few minutes.")
    broken = told(ended("error", ErrorKind.AUTHENTICATION)).message
    assert "try again" not in broken
    assert broken.endswith(f"turn to those who run this service, and tell them {ended('error').run}.")
    made = ended("error", ErrorKind.OVERLOADED, effects=EffectCounts(done=2), effect_lines=(effect("done"),))
    assert "2 actions were carried out" in told(made).message
    assert told(made).message.endswith("Please ask again only for what is missing.")
    assert "try again" not in told(made).message


@pytest.mark.parametrize("pinned", [SHIPPED, desk(generic="Oops.", timed_out="Too slow.").fallbacks.pinned()])
@pytest.mark.parametrize("outcome", ["unknown_effect", "timeout", "error"])
def test_a_doubt_is_told_whatever_the_words(outcome: Outcome, pinned: PinnedFallbacks) -> None:
    """That it isn't known whether something took effect stands in shipped texts and after the agent's own."""
    made = ended(outcome, effects=EffectCounts(unknown=1), effect_lines=(effect("done", 1), effect("unknown", 2)))
    message = told(made, pinned).message
    assert "It is not known whether one action took effect: refund order:2." in message
    assert message.endswith("Please check that before you ask again.")
    assert "order:1" not in message


def test_doubts_that_are_many_are_counted() -> None:
    """The newest are named, the others counted; an ending by doubt says so though no line names it."""
    lines = tuple(effect("unknown", number) for number in range(20))
    message = told(ended("error", effects=EffectCounts(unknown=20), effect_lines=lines)).message
    assert "whether 20 actions took effect" in message
    assert "order:19 and 15 more" in message
    assert "It is not known whether one action took effect" in told(ended("unknown_effect")).message


def test_a_reply_says_that_the_run_goes_on() -> None:
    """That progress was saved, and as which run: in shipped words, after a text, after a function that names it not."""
    made, goes_on = ended("timeout", continued_as="run/default/1-2"), "Its progress was saved, and it goes on by itself"
    shipped = told(made).message
    assert shipped.endswith(f"{goes_on} as run/default/1-2.")
    assert "was not completed" not in shipped
    assert "again" not in shipped
    own = desk(timed_out="Patience.").fallbacks.pinned()
    assert told(made, own).message == f"Patience. {goes_on} as run/default/1-2."
    function = desk(timed_out=sorry).fallbacks.pinned()
    assert told(made, function, FallbackSaid(text="Wait.")).message == f"Wait. {goes_on} as run/default/1-2."
    assert told(made, function, FallbackSaid(text="See run/default/1-2.")).message == "See run/default/1-2."
    assert goes_on not in told(ended("timeout")).message


def test_a_kind_goes_before_its_reason() -> None:
    """An agent may say one kind of error in words of its own; the others of its reason keep theirs."""
    pinned = desk(kinds={"circuit_open": "Resting."}, model_unavailable="Gone.").fallbacks.pinned()
    assert told(ended("error", ErrorKind.CIRCUIT_OPEN), pinned).message == "Resting."
    assert told(ended("error", ErrorKind.OVERLOADED), pinned).message == "Gone."
    assert told(ended("error", ErrorKind.RATE_LIMITED), pinned).message.startswith("Too much is being asked")


def test_a_function_is_asked_only_for_its_own_endings() -> None:
    """For others, and where there is an answer, nothing is asked: no activity, no event."""
    pinned = desk(timed_out=sorry, budget="No money.").fallbacks.pinned()
    asked = asked_of_function(ended("timeout"), pinned)
    assert asked is not None
    assert (asked.reason, asked.error, asked.result) == ("timed_out", error_of(ended("timeout")), ended("timeout"))
    for made in (ended("budget"), ended("error"), ended("completed"), ended("cancelled")):
        assert asked_of_function(made, pinned) is None


def test_what_a_function_said_is_used_or_the_shipped_text() -> None:
    """Its own words as they are; where they can't be used, the shipped ones, and why."""
    pinned = desk(timed_out=sorry).fallbacks.pinned()
    made = ended("timeout")
    assert told(made, pinned, FallbackSaid(text="Sorry.")).message == "Sorry."
    fallback = told(made, pinned, FallbackSaid(problem="raised"))
    assert (fallback.message, fallback.problem) == (told(made).message, "raised")
    assert fallback.original_error == error_of(made)


@pytest.mark.parametrize(
    ("returned", "why"),
    [
        (None, "returned nothing"),
        (7, "returned int, not a text"),
        (b"Sorry.", "returned bytes, not a text"),
        ("", "returned an empty text"),
        (" \n", "returned an empty text"),
        ("a\ud800", "half a character"),
        ("ä" * MAX_REPLY_BYTES, "a text of 8,192 bytes, 4,096 at most"),
    ],
)
def test_nonsense_of_a_function_is_no_reply(returned: object, why: str) -> None:
    """Nothing, no text, an empty, unwritable or endless one."""
    with pytest.raises(NoReply, match=why):
        reply_of(returned)


def one_argument(error: RunError) -> str:
    """Doesn't take the run."""
    return error.message


def generator(error: RunError, run: RunResult) -> Iterator[str]:
    """Yields."""
    yield error.message + run.why


async def stream(error: RunError, run: RunResult) -> AsyncIterator[str]:
    """Likewise."""
    yield error.message + run.why


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"generic": ""}, "generic.*the reply is empty; leave it out"),
        ({"generic": " \t"}, "the reply is empty"),
        ({"timed_out": "x" * (MAX_REPLY_BYTES + 1)}, "timed_out.*the reply is 4,097 bytes, 4,096 at most"),
        ({"budget": one_argument}, "'one_argument' must take the error and the run, as in `def one_argument"),
        ({"budget": lambda: "x"}, "must take the error and the run, as in `def sorry"),
        ({"budget": generator}, "'generator' is a generator"),
        ({"budget": stream}, "'stream' is a generator"),
        ({"budget": 7}, "budget"),
        ({"too_slow": "x"}, "too_slow"),
        ({"kinds": {"too_slow": "x"}}, "kinds"),
        ({"kinds": {"timeout": ""}}, "the reply is empty"),
    ],
)
def test_replies_that_cant_be_used_are_refused(given: dict[str, Any], why: str) -> None:
    """Where the agent is declared, with the reason."""
    with pytest.raises(ValidationError, match=f"(?s){why}"):
        Fallbacks(**given)


def test_half_a_character_in_a_text_is_made_valid() -> None:
    """As in the agent's other texts: no run is wedged by it."""
    assert Fallbacks(generic="a\ud800").generic == "a\N{REPLACEMENT CHARACTER}"


def test_agents_without_replies_keep_their_version() -> None:
    """The manifest says of replies only what the agent itself says; of a function only that there is one."""
    plain = Manifest.of(Agent(name="desk", instructions="Help.", models="openai:gpt"))
    assert "fallbacks" not in plain.model_dump(exclude_defaults=True)
    assert Manifest.of(desk()).digest == plain.digest
    text, function = Manifest.of(desk(budget="No money.")), Manifest.of(desk(budget=sorry))
    assert len({plain.digest, text.digest, function.digest, Manifest.of(desk(budget="None.")).digest}) == 4
    assert Manifest.of(desk(budget=one_of_two)).digest == function.digest
    again = Manifest.model_validate_json(function.model_dump_json(exclude_defaults=True))
    assert again == function
    assert again.digest == function.digest
    assert asked_of_function(ended("budget"), again.fallbacks) is not None


def one_of_two(error: RunError, run: RunResult) -> str:
    """Another function: functions aren't pinned."""
    return error.message + run.why


def test_a_reply_is_never_an_answer() -> None:
    """What to show is the answer of a run that completed, else its fallback; the answer stays the model's."""
    made = ended("timeout", answer="Half of it.")
    told_so = made.model_copy(update={"fallback": told(made)})
    assert (told_so.succeeded, told_so.answer, told_so.reply) == (False, "Half of it.", told(made).message)
    assert ended("completed", answer="All of it.").reply == "All of it."
    assert ended("cancelled").reply == "so it is"


@pytest.mark.parametrize("text", ["x", "\x01"])
def test_a_reply_is_cut_with_a_result_that_is_too_large(text: str) -> None:
    """What Temporal couldn't carry is cut, and the reply keeps its beginning."""
    error = RunError(kind=ErrorKind.INTERNAL, message=text * 100_000)
    fallback = Fallback(message=text * 100_000, reason="generic", original_error=error)
    made = ended("error", answer=text * 100_000).model_copy(update={"fallback": fallback}).carriable(64 * 1024)
    assert len(made.model_dump_json().encode()) <= 64 * 1024
    assert made.fallback
    assert made.fallback.message.startswith(text * 100)


def shown(made: RunResult) -> str:
    """A result as the terminal has it."""
    console = Console(width=1_000)
    with console.capture() as capture:
        console.print(result_lines(made))
    return capture.get()


def test_a_terminal_shows_the_reply_below_the_outcome() -> None:
    """With why the agent's own function could not be used, and nothing of it where there is an answer."""
    made = ended("timeout", answer="Half of it.")
    fallback = told(made, desk(timed_out=sorry).fallbacks.pinned(), FallbackSaid(problem="the function raised Oops"))
    lines = shown(made.model_copy(update={"fallback": fallback})).splitlines()
    assert lines[0].startswith("ended as timeout: so it is")
    assert lines[1] == f"reply for people: {told(made).message}"
    assert lines[2] == "  in the shipped words: the function raised Oops"
    assert lines[-1] == "Half of it."
    assert "reply for people" not in shown(ended("completed"))
