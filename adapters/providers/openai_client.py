"""What both of OpenAI's protocols share: the SDK's client and how a structured answer is asked for."""

from __future__ import annotations

from httpx2 import Timeout
from openai import AsyncOpenAI
from pydantic import JsonValue

from tether.adapters.providers.endpoint import Endpoint
from tether.adapters.providers.names import legal
from tether.adapters.providers.strict_schema import strict_schema
from tether.provider import OutputSpec


def openai_client(endpoint: Endpoint) -> AsyncOpenAI:
    """A client that retries nothing and leaves time limits after connecting to us."""
    connect = endpoint.timeouts.connect
    return AsyncOpenAI(
        api_key=endpoint.key.get_secret_value(),
        base_url=endpoint.base_url,
        max_retries=0,
        timeout=Timeout(None, connect=connect, pool=connect),
    )


def output_format(output: OutputSpec) -> dict[str, JsonValue]:
    """A JSON schema format: strict where the schema can be said by strict rules."""
    strict = strict_schema(output.json_schema)
    return {"name": legal(output.name), "schema": strict or output.json_schema, "strict": strict is not None}
