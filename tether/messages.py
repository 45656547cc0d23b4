"""The conversation between a run and a model, in no provider's format."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, JsonValue

from tether.value import Value


class TextBlock(Value):
    """Text that the model wrote."""

    kind: Literal["text"]
    text: str


class ThinkingBlock(Value):
    """Reasoning of the model; `data` is the provider's own block, carried back to it unchanged."""

    kind: Literal["thinking"]
    provider: str
    text: str = ""
    data: JsonValue = None


class RefusalBlock(Value):
    """The model's words when it declines."""

    kind: Literal["refusal"]
    text: str


class CallBlock(Value):
    """A tool call that the model asked for.

    Attributes:
        id: Our id, `c1`, `c2`, ... in the order of the run; empty until the model activity numbers it.
        provider_id: The provider's id, by which the result is handed back.
        tool: The tool's own name; what the model wrote where it names no tool.
        arguments: The arguments where they are a JSON object.
        raw: What the model wrote instead, where they are not.
        data: What else the provider wants back with this call (an item id, a signature).
    """

    kind: Literal["call"]
    id: str = ""
    provider_id: str = ""
    tool: str
    arguments: dict[str, JsonValue] | None = None
    raw: str = ""
    data: JsonValue = None


Block = Annotated[TextBlock | ThinkingBlock | RefusalBlock | CallBlock, Field(discriminator="kind")]


class UserMessage(Value):
    """What a person, or the run on a person's behalf, says to the model."""

    role: Literal["user"]
    text: str


class AssistantMessage(Value):
    """One reply of a model: its blocks in the order in which they came."""

    role: Literal["assistant"]
    blocks: tuple[Block, ...]

    @property
    def text(self) -> str:
        """All text blocks, joined."""
        return "".join(block.text for block in self.blocks if isinstance(block, TextBlock))

    @property
    def thinking(self) -> str:
        """All readable reasoning, joined."""
        return "\n".join(block.text for block in self.blocks if isinstance(block, ThinkingBlock) and block.text)

    @property
    def refusal(self) -> str:
        """The words of a refusal, empty where there is none."""
        return "".join(block.text for block in self.blocks if isinstance(block, RefusalBlock))

    def calls(self) -> Iterator[CallBlock]:
        """The tool calls, in order."""
        return (block for block in self.blocks if isinstance(block, CallBlock))


class ToolMessage(Value):
    """What a call led to, as the model hears it."""

    role: Literal["tool"]
    provider_id: str
    tool: str
    text: str
    error: bool = False


Message = Annotated[UserMessage | AssistantMessage | ToolMessage, Field(discriminator="role")]


def user(text: str) -> UserMessage:
    """A user's message."""
    return UserMessage(role="user", text=text)


def assistant(text: str) -> AssistantMessage:
    """An assistant's message of one text block: for earlier conversation and tests."""
    return AssistantMessage(role="assistant", blocks=(TextBlock(kind="text", text=text),))
