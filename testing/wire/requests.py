"""A request as it arrived: kept raw, read only as far as somebody asks."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias, cast

from tether.testing.wire.conversation import Call, Conversation, ToolResult, read_conversation

__all__ = ["Call", "Request", "ToolResult", "Wire"]

Wire: TypeAlias = Literal["openai-responses", "openai-chat", "anthropic"]
MODEL_KEY = b'"model":'
TRIES_FOR_MODEL_KEY = 4
PLACE_OF_SCHEMA: dict[Wire, tuple[str, str]] = {
    "openai-responses": ("text", "format"),
    "openai-chat": ("response_format", "json_schema"),
    "anthropic": ("output_config", "format"),
}


@dataclass(frozen=True, eq=False)
class Request:
    """One request for a model's answer.

    Attributes:
        method: The HTTP method.
        path: The path, without the query.
        headers: By lower-case name.
        body: The raw body.
        arrived: When the last byte of it had arrived, in seconds of the monotonic clock.
        wire: Which provider's format it speaks.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    arrived: float
    wire: Wire

    @cached_property
    def json(self) -> dict[str, Any]:  # Any: foreign JSON, whose shape is each provider's
        """The whole body, parsed. Costs milliseconds for a long conversation.

        Raises:
            ValueError: The body isn't a JSON object.
        """
        parsed = json.loads(self.body)
        if not isinstance(parsed, dict):
            raise ValueError(f"the body of {self.method} {self.path} is not a JSON object")  # noqa: TRY004 - as documented
        return cast(dict[str, Any], parsed)

    @property
    def model(self) -> str:
        """The model that was asked for."""
        return str(self._option("model") or "scripted")

    @property
    def streamed(self) -> bool:
        """Whether the client wants a stream of events."""
        return bool(self._option("stream"))

    @property
    def wants_usage_in_stream(self) -> bool:
        """Whether a Chat Completions client asked for the usage at the end of the stream."""
        options = self._option("stream_options")
        return isinstance(options, dict) and bool(options.get("include_usage"))

    @property
    def user_text(self) -> str:
        """What the user said last; empty if nothing."""
        return self.conversation.user_texts[-1] if self.conversation.user_texts else ""

    @property
    def system_text(self) -> str:
        """The instructions."""
        return self.conversation.system

    @property
    def calls(self) -> tuple[Call, ...]:
        """The calls that earlier turns of the conversation asked for, in order."""
        return self.conversation.calls

    @property
    def tool_results(self) -> tuple[ToolResult, ...]:
        """What the tools returned so far, in order."""
        return self.conversation.results

    @property
    def tools(self) -> tuple[str, ...]:
        """Names of the tools on offer."""
        return tuple(
            tool.get("name") or tool.get("function", {}).get("name", "") for tool in self.json.get("tools") or ()
        )

    @property
    def output_schema(self) -> dict[str, Any] | None:
        """The JSON schema that the answer must follow, if the request asked for structured output."""
        outer, inner = PLACE_OF_SCHEMA[self.wire]
        wanted = (self.json.get(outer) or {}).get(inner) or {}
        return cast(dict[str, Any] | None, wanted.get("schema"))

    @cached_property
    def conversation(self) -> Conversation:
        """The conversation, in no provider's words."""
        return read_conversation(self.json)

    def _option(self, key: str) -> object:
        """The value of a member of the body, found without parsing the conversation where that can be."""
        if key in self._options_behind_the_conversation:
            return self._options_behind_the_conversation[key]
        if f'"{key}"'.encode() not in self.body:
            return None
        try:
            return self.json.get(key)
        except ValueError:
            return None

    @cached_property
    def _options_behind_the_conversation(self) -> dict[str, Any]:
        """The members from `model` to the end of the body; empty where that can't be told cheaply.

        The SDKs send members in alphabetical order, the long conversation (`input`, `messages`) before the model. From
        the right `"model":` on, and only from there, the rest of the body with an opening brace before it is an object.
        """
        end = len(self.body)
        for _ in range(TRIES_FOR_MODEL_KEY):
            start = self.body.rfind(MODEL_KEY, 0, end)
            if start < 0:
                break
            try:
                return cast(dict[str, Any], json.loads(b"{" + self.body[start:]))
            except ValueError:
                end = start
        return {}
