"""Which model the support desk uses: a provider's where there is a key for one, else the scripted one."""

import os
import sys
from collections.abc import Mapping
from contextlib import ExitStack

from tether import Model, ModelPrice

SCRIPTED = "openai:scripted"
"""Names no model of OpenAI's: every record of a run says that it was the scripted one."""
SCRIPTED_PRICE = ModelPrice(input_usd="1", output_usd="4")
"""Made up, so that runs show a cost and caps hold: nobody bills the scripted model."""

BY_KEY = {"OPENAI_API_KEY": "openai:gpt-5.4-mini", "ANTHROPIC_API_KEY": "anthropic:claude-haiku-5-5"}
"""In order of preference; both have a price in genai-prices."""

_running = ExitStack()


def model_for(environment: Mapping[str, str]) -> str:
    """The model's name: SUPPORT_DESK_MODEL, else that of the provider whose key is set, else the scripted one."""
    by_key = (model for variable, model in BY_KEY.items() if environment.get(variable))
    return environment.get("SUPPORT_DESK_MODEL") or next(by_key, SCRIPTED)


def is_scripted(model: str) -> bool:
    """Whether it is the scripted model."""
    return model == SCRIPTED


def choose() -> Model:
    """The agent's model; the scripted one is served by this process, unless OPENAI_BASE_URL says where it is."""
    name = model_for(os.environ)
    if is_scripted(name) and not os.environ.get("OPENAI_BASE_URL"):
        from examples.support_desk.scripted_model import reply_to  # noqa: PLC0415  a provider's model needs none of it
        from tether.testing.wire import wire_in_thread  # noqa: PLC0415  as above

        wire = _running.enter_context(wire_in_thread(reply_to, record=False))
        os.environ["OPENAI_BASE_URL"] = wire.openai_url
        print(f"No OPENAI_API_KEY or ANTHROPIC_API_KEY: a scripted model answers ({wire.openai_url})", file=sys.stderr)
    return Model(name, price=SCRIPTED_PRICE if is_scripted(name) else None)
