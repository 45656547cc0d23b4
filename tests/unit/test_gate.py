"""The gate: what is decided about each call of a reply before anything is scheduled."""

from typing import Any

import pytest

from tests.unit.run_parts import decide
from tether import tool
from tether.errors import ErrorKind
from tether.gate import MAX_CALLS_A_TURN
from tether.ids import arguments_digest, content_id
from tether.messages import AssistantMessage, Block, CallBlock, TextBlock
from tether.model_records import DecidedCall
from tether.permits import Permit
from tether.policy.rules import ALLOW_ALL
from tether.record import refusal_text
from tether.tools import ToolRegistry


@tool(effect="keyed", resource="order:{order_id}")
def refund(order_id: str, share: float = 1.0) -> None:
    """Refund."""


@tool
def look_up(order_id: str) -> None:
    """Look up."""


REGISTRY = ToolRegistry([refund, look_up])


def asked(name: str, arguments: dict[str, Any] | None = None, provider_id: str = "", raw: str = "") -> CallBlock:
    """A call as a provider's adapter hands it over."""
    return CallBlock(kind="call", provider_id=provider_id, tool=name, arguments=arguments, raw=raw)


def decided(*blocks: Block, next_call: int = 1) -> tuple[DecidedCall, ...]:
    """What is decided about the calls of a reply."""
    return decide(blocks, REGISTRY, next_call)[1]


def test_calls_are_numbered_over_the_run_and_text_is_kept() -> None:
    """Our ids go on where the run's calls ended; everything else of the reply stays as it is."""
    text = TextBlock(kind="text", text="I'll look.")
    message, made = decide((text, asked("look_up", {"order_id": "1"}, "p1"), asked("x", {}, "p2")), REGISTRY, 7)
    assert message.blocks[0] == text
    assert [(call.id, call.provider_id) for call in message.calls()] == [("c7", "p1"), ("c8", "p2")]
    assert [call.id for call in made] == ["c7", "c8"]


def test_an_allowed_call_is_bound_to_its_exact_arguments() -> None:
    """An allowed call records the verdict, what it is about, and the digest of what will be executed."""
    (call,) = decided(asked("refund", {"order_id": "1", "share": 0.5}))
    assert call.permit == Permit(verdict="allow", rule="allow all", policy=ALLOW_ALL.pinned().digest)
    assert call.resource == "order:1"
    assert call.digest == arguments_digest("refund", {"order_id": "1", "share": 0.5})
    assert (call.problem, call.answer, call.arguments) == (None, "", None)


def test_arguments_are_recorded_only_where_they_differ_from_what_was_written() -> None:
    """Filled in defaults are recorded; arguments that the message holds already are not written twice."""
    whole, filled = decided(asked("refund", {"share": 0.5, "order_id": "1"}), asked("refund", {"order_id": "1"}))
    assert whole.arguments is None
    assert filled.arguments == {"order_id": "1", "share": 1.0}


def test_a_whole_number_for_a_float_is_recorded_as_it_is_executed() -> None:
    """1 equals 1.0 but has another digest: left out, the activity would refuse the call as another one."""
    (call,) = decided(asked("refund", {"order_id": "1", "share": 1}))
    assert str(call.arguments) == "{'order_id': '1', 'share': 1.0}"
    assert call.digest == arguments_digest("refund", {"order_id": "1", "share": 1.0})


@pytest.mark.parametrize(
    ("block", "kind", "told"),
    [
        (asked("lookup", {}), ErrorKind.UNKNOWN_TOOL, "there is no tool 'lookup'; did you mean look_up?"),
        (asked("zzz", {}), ErrorKind.UNKNOWN_TOOL, "there is no tool 'zzz'; there are: refund, look_up"),
        (asked("look_up", None, raw="[1"), ErrorKind.INVALID_ARGUMENTS, "not a JSON object; send one"),
        (asked("look_up", {}), ErrorKind.INVALID_ARGUMENTS, "for look_up: order_id: required, but missing"),
        (asked("look_up", {"order_id": 7}), ErrorKind.INVALID_ARGUMENTS, "order_id: input should be a valid string"),
        (asked("look_up", {"order_id": "7", "x": 1}), ErrorKind.INVALID_ARGUMENTS, "x: there is no such argument"),
    ],
)
def test_a_call_that_cant_be_executed_is_refused_in_words(block: CallBlock, kind: ErrorKind, told: str) -> None:
    """The model is told what to correct, the words' id is recorded, and nothing is permitted."""
    (call,) = decided(block)
    assert call.problem is not None
    assert call.problem.kind is kind
    assert told in call.problem.message
    assert (call.permit, call.digest, call.arguments) == (None, "", None)
    assert call.answer == content_id(refusal_text(call)) == content_id(f"Error: {call.problem.message}")


def test_an_agent_without_tools_says_so() -> None:
    """A call to an agent that has no tools is told that there are none."""
    _, (call,) = decide((asked("x", {}),), ToolRegistry(), 1)
    assert call.problem is not None
    assert call.problem.message == "there is no tool 'x'; there are: none"


def test_a_repeated_id_is_refused_and_made_distinct() -> None:
    """The first call of an id stands; the others are refused, under ids of their own so that each gets its answer."""
    blocks = (asked("look_up", {"order_id": "1"}, "p"), asked("look_up", {"order_id": "2"}, "p"))
    message, (first, second) = decide(blocks, REGISTRY, 1)
    assert first.problem is None
    assert second.problem is not None
    assert second.problem.kind is ErrorKind.DUPLICATE_CALL
    assert [call.provider_id for call in message.calls()] == ["p", "p_2"]


@pytest.mark.parametrize(
    "ids", [("", ""), ("call_2", ""), ("", "call_1"), ("p", "p", "p_2"), ("p_2", "p", "p"), ("", "p", "", "p", "p_4")]
)
def test_ids_are_present_and_distinct_whatever_the_provider_sends(ids: tuple[str, ...]) -> None:
    """A result names its call by the provider's id, so a made-up id never is one that another call has."""
    message, _ = decide(tuple(asked("look_up", {"order_id": "1"}, given) for given in ids), REGISTRY, 1)
    made = [call.provider_id for call in message.calls()]
    assert all(made)
    assert len(set(made)) == len(ids)
    assert [new for new, old in zip(made, ids, strict=True) if ids.count(old) == 1 and old] == [
        old for old in ids if ids.count(old) == 1 and old
    ]


def test_a_call_refused_as_repeated_is_the_providers_doing() -> None:
    """An id that only we made up for another call makes no call a duplicate."""
    calls = decided(*(asked("look_up", {"order_id": "1"}, given) for given in ("p", "p", "p_2")))
    assert [call.problem is None for call in calls] == [True, False, True]


def test_too_many_calls_are_refused_beyond_the_bound() -> None:
    """A flood of calls is executed up to a bound; the rest is refused, in words, instead of wedging the run."""
    calls = decided(*(asked("look_up", {"order_id": "1"}, f"p{n}") for n in range(MAX_CALLS_A_TURN + 2)))
    kinds = [call.problem.kind if call.problem else None for call in calls]
    assert kinds == [None] * MAX_CALLS_A_TURN + [ErrorKind.TOO_MANY_CALLS] * 2


def test_a_made_up_name_of_any_length_stays_small() -> None:
    """A very long name is cut in what is recorded and told."""
    (call,) = decided(asked("x" * 100_000, {}))
    assert call.problem is not None
    assert len(call.tool) <= 128
    assert len(call.problem.message) < 300


def test_a_call_without_a_verdict_is_denied() -> None:
    """Missing is a denial, and any verdict but `allow` is one, with its reason."""
    call = DecidedCall(id="c1", tool="refund")
    denied = call.model_copy(update={"permit": Permit(verdict="deny", rule="r", reason="not today")})
    allowed = call.model_copy(update={"permit": Permit(verdict="allow", rule="r")})
    assert refusal_text(call).startswith("Denied: no decision")
    assert refusal_text(denied) == "Denied: not today"
    assert refusal_text(allowed) == ""


def test_a_reply_without_calls_decides_nothing() -> None:
    """Text alone asks for nothing."""
    message, made = decide((TextBlock(kind="text", text="Done."),), REGISTRY, 1)
    assert isinstance(message, AssistantMessage)
    assert (message.text, made) == ("Done.", ())
