"""Transcripts drawn by hypothesis, and the rules of order that every provider has."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from tether.messages import AssistantMessage, Block, CallBlock, Message, TextBlock, ThinkingBlock, ToolMessage, user
from tether.rewriting import Scale
from tether.window import Transcript, Turn
from tether.window_policy import ContextPolicy

words = st.text(st.sampled_from("ab é漢\n\t  "), max_size=40)
texts = st.builds(lambda text, times: text * times, words, st.integers(0, 60))


@st.composite
def turns(draw: st.DrawFn, number: int) -> Turn:
    """A turn: reasoning, text, calls, their results, and maybe what the model was told next."""
    blocks: list[Block] = []
    if draw(st.booleans()):
        blocks.append(ThinkingBlock(kind="thinking", provider="anthropic", text=draw(words), data={"signature": "s"}))
    if draw(st.booleans()):
        blocks.append(TextBlock(kind="text", text=draw(texts)))
    ids = [f"call_{number}_{index}" for index in range(draw(st.integers(0, 3)))]
    blocks += [CallBlock(kind="call", provider_id=each, tool="f", arguments={"q": draw(words)}) for each in ids]
    said: list[Message] = [AssistantMessage(role="assistant", blocks=tuple(blocks))]
    said += [
        ToolMessage(role="tool", provider_id=each, tool="f", text=draw(texts), error=draw(st.booleans()))
        for each in ids
    ]
    if not ids or draw(st.booleans()):
        said.append(user(f"Go on {number}."))
    return Turn(tuple(said))


@st.composite
def transcripts(draw: st.DrawFn) -> Transcript:
    """What was said in a run, and maybe before it."""
    earlier: list[Message] = []
    for number in range(draw(st.integers(0, 3))):
        earlier += [user(f"Before {number}. {draw(texts)}"), *draw(turns(-number)).messages]
    count = draw(st.integers(0, 8))
    return Transcript(
        tuple(earlier), user(f"The task. {draw(texts)}"), [draw(turns(number)) for number in range(1, count + 1)]
    )


policies = st.builds(
    ContextPolicy,
    shrink_percent=st.integers(1, 100),
    keep_turns=st.integers(1, 5),
    preview_bytes=st.none() | st.integers(0, 200),
    drop_turns=st.booleans(),
    fold_whitespace=st.booleans(),
)


@st.composite
def scales(draw: st.DrawFn) -> Scale:
    """What a provider reported of the last call, or nothing."""
    size = draw(st.integers(1, 20_000))
    return Scale(fixed=draw(st.integers(0, 2_000)), tokens=draw(st.integers(0, size)), size=size)


def breaks_order(messages: Sequence[Message]) -> str:
    """What a provider would refuse; empty where the messages are in order.

    Each call's result follows in the messages right after the reply that made the call, in no other place, and the
    first message is a user's.
    """
    if not messages or messages[0].role != "user":
        return "the first message is no user's"
    open_calls: list[str] = []
    for message in messages:
        if isinstance(message, ToolMessage):
            if message.provider_id not in open_calls:
                return f"the result of {message.provider_id} follows no call"
            open_calls.remove(message.provider_id)
        elif open_calls:
            return f"{open_calls} have no results"
        elif isinstance(message, AssistantMessage):
            open_calls = [call.provider_id for call in message.calls()]
    return f"{open_calls} have no results" if open_calls else ""
