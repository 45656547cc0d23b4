"""The two kinds of pydantic model that everything else is made of."""

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """A frozen message or record of the protocol.

    Unknown fields are ignored, so that a worker can read what a newer one wrote. On the wire, fields that hold their
    default are left out: a discriminator (`kind`) therefore has no default, and a default never changes once released.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")


class Declared(BaseModel):
    """Something that a person wrote in code or configuration: unknown fields are a mistake and are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)
