"""What a model's reply amounts to."""

import json
from typing import Any

import pytest
from pydantic import BaseModel, Field

from tether.errors import ErrorKind
from tether.messages import AssistantMessage, Block, CallBlock, RefusalBlock, TextBlock
from tether.model_records import ModelResult
from tether.provider import FinishReason, ModelReply
from tether.reply import MAX_REPLY_BYTES, Judged, judge, read_plan, too_large
from tether.usage import Usage


class Answer(BaseModel):
    text: str
    score: int = Field(default=0, alias="points")


CALL = CallBlock(kind="call", provider_id="p", tool="look_up", arguments={})


def said(text: str) -> TextBlock:
    """Text that a model wrote."""
    return TextBlock(kind="text", text=text)


def judged(*blocks: Block, finish: FinishReason = "stop", output: type[BaseModel] | None = None) -> Judged:
    """The judgement about a reply of these blocks, which was allowed 50 tokens."""
    reply = ModelReply(blocks=blocks, finish=finish, usage=Usage(), model="m")
    return judge(reply, AssistantMessage(role="assistant", blocks=blocks), output, 50)


def test_text_is_an_answer() -> None:
    """Text without calls stands as it is, and so do calls, with or without text."""
    assert judged(said("Done.")) == judged(CALL) == judged(said("Wait."), CALL) == Judged()


@pytest.mark.parametrize("finish", ["stop", "refusal"])
def test_a_refusal_is_final_and_quotes_the_model(finish: FinishReason) -> None:
    """A refusal ends the run, whichever way the provider says it, in the model's words; it isn't argued with."""
    made = judged(RefusalBlock(kind="refusal", text="I can't."), finish=finish)
    assert made.problem is not None
    assert (made.problem.kind, made.problem.message) == (ErrorKind.REFUSED, "the model declined: I can't.")
    assert made.nudge == ""


def test_a_refusal_counts_whatever_else_was_written() -> None:
    """Calls beside a refusal aren't executed; a refusal without words says so."""
    assert (found := judged(CALL, finish="refusal").problem) is not None
    assert found.message == "the model declined: it gave no reason"


def test_a_content_filter_is_final_and_told_from_a_refusal() -> None:
    """The provider's filter is not the model's refusal, and says what to do."""
    assert (found := judged(said("Well"), finish="content_filter").problem) is not None
    assert found.kind is ErrorKind.CONTENT_FILTER


def test_a_cut_reply_is_asked_for_again() -> None:
    """A reply that hit its limit can't stand: the model is told how long it may be."""
    made = judged(said("Once upon"), finish="length")
    assert made.problem is not None
    assert made.problem.kind is ErrorKind.REPLY_CUT
    assert "cut off at 50 tokens" in made.nudge


def test_a_cut_reply_with_calls_goes_on() -> None:
    """Calls that were complete are executed, though what followed them was cut."""
    assert judged(CALL, finish="length") == Judged()


@pytest.mark.parametrize("blocks", [(), (said("  \n"),)])
def test_an_empty_reply_is_asked_for_again(blocks: tuple[Block, ...]) -> None:
    """Nothing, or white space, is no answer."""
    made = judged(*blocks)
    assert made.problem is not None
    assert made.problem.kind is ErrorKind.MALFORMED_REPLY
    assert made.nudge


@pytest.mark.parametrize(
    "text",
    ['{"text": "a", "points": 3}', '```json\n{"text": "a", "points": 3}\n```', '```\n{"text":"a","points":3}```'],
)
def test_a_structured_answer_is_read_alone_or_fenced(text: str) -> None:
    """The answer is kept by the names of its schema, so that the same type can read it back."""
    made = judged(said(text), output=Answer)
    assert made == Judged(output={"text": "a", "points": 3})
    assert Answer.model_validate(made.output).score == 3


@pytest.mark.parametrize(
    ("text", "told"),
    [('{"points": 1}', "text: Field required"), ("Sure!", "the text: Invalid JSON"), ("[]", "the text")],
)
def test_an_answer_of_another_shape_is_asked_for_again(text: str, told: str) -> None:
    """The model is told what doesn't fit; people are told which type was expected."""
    made = judged(said(text), output=Answer)
    assert made.problem is not None
    assert made.problem.kind is ErrorKind.INVALID_OUTPUT
    assert made.problem.message.startswith("the answer is not a Answer: ")
    assert told in made.nudge


def test_an_empty_structured_answer_is_asked_for_again() -> None:
    """Nothing is no structured answer either."""
    assert judged(output=Answer).nudge


def plan_of(*steps: dict[str, Any]) -> str:
    """A plan as a model writes it."""
    return json.dumps({"steps": steps})


def test_a_plan_is_read() -> None:
    """A plan's steps come with their tools and what they depend on, and read as a list."""
    text = plan_of(
        {"id": "1", "what": "look", "tool": "look_up"}, {"id": "2", "what": "tell", "tool": None, "depends_on": ["1"]}
    )
    plan, problem = read_plan(f"```json\n{text}\n```")
    assert problem == ""
    assert plan is not None
    assert plan.steps[1].depends_on == ("1",)
    assert plan.text() == "1. look [look_up]\n2. tell"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("My plan:", "Invalid JSON"),
        ('{"steps": 1}', "steps"),
        ('{"steps": []}', "it has no steps"),
        (plan_of({"id": "1"}), "steps.0.what"),
        (plan_of({"id": "1", "what": "a"}, {"id": "1", "what": "b"}), "two steps have the id '1'"),
        (plan_of({"id": "1", "what": "a", "depends_on": ["9"]}), "a step depends on '9', which is no step"),
        (plan_of(*({"id": str(n), "what": "a"} for n in range(51))), "at most 50"),
        (plan_of({"id": "1", "what": "x" * 70_000}), "longer than 64 KiB"),
    ],
)
def test_a_plan_that_cant_be_followed_is_not_taken(text: str, told: str) -> None:
    """Anything that is no plan, or one that the run could not keep, is told in words that the model can mend."""
    plan, problem = read_plan(text)
    assert plan is None
    assert told in problem


def test_a_reply_is_too_large_with_all_that_is_recorded_of_it() -> None:
    """The reply and its structured answer together must fit, as they are recorded together."""
    message = AssistantMessage(role="assistant", blocks=(said("x" * (MAX_REPLY_BYTES * 2 // 3)),))
    assert too_large(ModelResult(message=message)) is None
    error = too_large(ModelResult(message=message, output=message.text))
    assert error is not None
    assert error.kind is ErrorKind.TOO_LARGE
    assert "lower max_tokens_per_step" in error.message
