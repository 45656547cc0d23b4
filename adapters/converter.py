"""How messages are written into Temporal payloads: compact JSON, the same for every client, worker and replayer."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import PydanticJSONPlainPayloadConverter
from temporalio.converter import (
    CompositePayloadConverter,
    DataConverter,
    DefaultPayloadConverter,
    JSONPlainPayloadConverter,
)


class CompactJSONConverter(PydanticJSONPlainPayloadConverter):
    """JSON in which a pydantic model's fields that hold their default are left out: histories are paid for by size."""

    def to_payload(self, value: Any) -> Payload | None:
        """Write a value; a model compactly, anything else as pydantic does."""
        if not isinstance(value, BaseModel):
            return super().to_payload(value)
        data = value.__pydantic_serializer__.to_json(value, exclude_defaults=True)
        return Payload(metadata={"encoding": self.encoding.encode()}, data=data)


class CompactConverter(CompositePayloadConverter):
    """Temporal's default converters, with JSON written compactly."""

    def __init__(self) -> None:
        super().__init__(
            *(
                CompactJSONConverter() if isinstance(converter, JSONPlainPayloadConverter) else converter
                for converter in DefaultPayloadConverter.default_encoding_payload_converters
            )
        )


data_converter = DataConverter(payload_converter_class=CompactConverter)
"""The data converter of everything that talks to Temporal."""
