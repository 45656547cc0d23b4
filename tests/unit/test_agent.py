"""Agents, apps, and the manifest that a run is pinned to."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from tether import Agent, App, Limits, Model, ModelPrice, tool, tool_from_schema
from tether.agent import MAX_INSTRUCTIONS_BYTES
from tether.contract import ToolContract
from tether.errors import DeclarationError
from tether.manifest import Manifest
from tether.tools import Tool


class Answer(BaseModel):
    text: str


class Shop:
    pass


class Mail:
    pass


class Odd:
    pass


class Unwritable(BaseModel):
    model_config = {"arbitrary_types_allowed": True}
    odd: Odd


def handler(a: int, b: str = "") -> str:
    """Do something."""
    return f"{a}{b}"


def labelled(**labels: Any) -> Tool:
    """`handler` as a tool with these labels."""
    made = tool(**labels)(handler)
    assert isinstance(made, Tool)
    return made


BASE: dict[str, Any] = {"name": "desk", "instructions": "Be nice.", "models": "openai:gpt"}


def digest(**changes: Any) -> str:
    """The digest of the usual agent with these changes."""
    return Manifest.of(Agent(**{**BASE, "tools": [labelled()], **changes})).digest


@asynccontextmanager
async def shop() -> AsyncIterator[Shop]:
    """A resource."""
    yield Shop()


@asynccontextmanager
async def other_shop() -> AsyncIterator[Shop]:
    """Another of the same type."""
    yield Shop()


async def undecorated() -> AsyncIterator[Shop]:
    """No context manager."""
    yield Shop()


@asynccontextmanager
async def unannotated():  # type: ignore[no-untyped-def]  # noqa: ANN201  that is its mistake
    """A resource that doesn't say what it yields."""
    yield Shop()


@asynccontextmanager
async def unresolvable() -> AsyncIterator["Nowhere"]:  # type: ignore[name-defined]  # noqa: F821
    """A resource of an unknown type."""
    yield Shop()


def test_an_agent_takes_models_by_name() -> None:
    """A string stands for a model, alone or in the chain; order is kept."""
    assert Agent(**BASE).models == (Model("openai:gpt"),)
    chain = Agent(**{**BASE, "models": ["openai:gpt", Model("anthropic:claude", max_output_tokens=9)]}).models
    assert [(model.name, model.max_output_tokens) for model in chain] == [("openai:gpt", None), ("anthropic:claude", 9)]


@pytest.mark.parametrize("name", ["gpt", "", "openai:", "openai: ", "azure:gpt", ":gpt"])
def test_a_model_needs_a_known_provider_and_a_name(name: str) -> None:
    """A model that names no known provider is refused, with those that there are."""
    with pytest.raises(ValidationError, match="write one of openai:…, openai-chat:…, anthropic:…"):
        Model(name)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"name": "two words"}, "use letters, digits"),
        ({"name": ""}, "use letters, digits"),
        ({"name": "x" * 65}, "at most 64"),
        ({"models": []}, "at least 1 item"),
        ({"models": None}, "models"),
        ({"models": ["openai:gpt", "openai:gpt"]}, "'openai:gpt' stands twice"),
        ({"tools": [handler]}, "'handler' is not a tool; decorate it with @tool"),
        ({"tools": None}, "tools"),
        ({"tools": [labelled(), labelled()]}, "two tools are named 'handler'"),
        ({"instructions": "x" * (MAX_INSTRUCTIONS_BYTES + 1)}, "over 256 KiB"),
        ({"output": dict}, "output"),
        ({"output": Unwritable}, "no JSON Schema can be made of output"),
        ({"limits": {"max_steps": 0}}, "limits.max_steps"),
        ({"temperature": 1}, "temperature"),
    ],
)
def test_an_agent_that_cant_run_is_refused(changes: dict[str, Any], told: str) -> None:
    """A bad agent is refused where it is declared, with the reason."""
    with pytest.raises(ValidationError, match=told):
        Agent(**{**BASE, **changes})


DEAR = ModelPrice(input_usd="3", output_usd="15")
CHEAP = ModelPrice(input_usd="1", output_usd="5")


@pytest.mark.parametrize(
    ("chain", "summariser"),
    [
        (Model("openai:gpt", price=DEAR), Model("openai:gpt", price=CHEAP)),
        (Model("openai:gpt", price=CHEAP), Model("openai:gpt", price=DEAR)),
        (Model("openai:gpt", price=DEAR), Model("openai:gpt", local=True)),
        (Model("openai:gpt", price=DEAR), "openai:gpt"),
        ("openai:gpt", Model("openai:gpt", price=DEAR)),
    ],
)
def test_one_name_has_one_price(chain: Model | str, summariser: Model | str) -> None:
    """A model that answers and sums up at two prices is refused: one of them would be reserved for the other."""
    with pytest.raises(ValidationError, match="'openai:gpt' has one price in the chain of models and another where"):
        Agent(**{**BASE, "models": ["openai:other", chain], "context": {"summarise_with": summariser}})


def test_a_summariser_may_be_a_model_of_the_chain() -> None:
    """At the same price, however it is written, and also where the length of its replies differs."""
    chain = Model("openai:gpt", price=DEAR)
    same = Model("openai:gpt", price=ModelPrice(input_usd="3.00", output_usd="15.0"), max_output_tokens=500)
    for models, summariser in ((chain, same), ("openai:gpt", "openai:gpt"), (chain, "openai:other")):
        assert Agent(**{**BASE, "models": models, "context": {"summarise_with": summariser}}).context.summarise_with


def test_equal_agents_have_equal_digests_in_any_process() -> None:
    """The digest is over content alone: another process, and another order of a schema's keys, give the same."""
    schema = "{'type': 'object', 'properties': {'a': {'type': 'string'}, 'b': {'type': 'integer'}}}"
    program = (
        "from tether import Agent, tool_from_schema; from tether.manifest import Manifest; "
        f"made = tool_from_schema('x', 'X.', {schema}, print); "
        "print(Manifest.of(Agent(name='desk', instructions='Be nice.', models='openai:gpt', tools=[made])).digest)"
    )
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    turned: Any = {"properties": {"b": {"type": "integer"}, "a": {"type": "string"}}, "type": "object"}
    assert other.stdout.strip() == digest(tools=[tool_from_schema("x", "X.", turned, print)])


CHANGES: list[dict[str, Any]] = [
    {"name": "desk2"},
    {"instructions": "Be terse."},
    {"models": "anthropic:claude"},
    {"models": [Model("openai:gpt", max_output_tokens=5)]},
    {"models": ["openai:gpt", "anthropic:claude"]},
    {"models": [Model("openai:gpt", local=True)]},
    {"models": [Model("openai:gpt", price=ModelPrice(input_usd="3", output_usd="15"))]},
    {"models": [Model("openai:gpt", price=ModelPrice(input_usd="3", output_usd="16"))]},
    {"output": Answer},
    {"plan": False},
    {"stop": bool},
    {"tools": []},
    *(
        {"limits": Limits(**limit)}
        for limit in (
            {"max_steps": 3},
            {"max_tokens_per_step": 3},
            {"timeout": 3},
            {"max_cost_usd": "3"},
            {"max_tool_calls": 3},
        )
    ),
    *(
        {"tools": [labelled(**label)]}
        for label in (
            {"name": "other"},
            {"description": "Do another thing."},
            {"effect": "read"},
            {"timeout": 5},
            {"retries": 5},
            {"rate_per_minute": 5},
            {"max_calls": 5},
            {"requires_approval": True},
            {"resource": "a:{a}"},
            {"summary": "{a}"},
            {"sensitive": ["b"]},
            {"sinks": ["b"]},
            {"returns": "directory"},
            {"confidential": True},
            {"cost_usd": "0.01"},
            {"version": "2"},
            {"no_effect_on": [KeyError]},
        )
    ),
]


@pytest.mark.parametrize("changes", CHANGES, ids=str)
def test_any_change_of_content_changes_the_digest(changes: dict[str, Any]) -> None:
    """Instructions, models, limits and every label are pinned: a change of any is another version."""
    assert digest(**changes) != digest()


def test_a_manifest_survives_the_history() -> None:
    """Read back from its compact JSON, a manifest is the same and has the same digest, and so have its contracts."""
    manifest = Manifest.of(Agent(**BASE, tools=[labelled(effect="keyed", retries=2)], output=Answer))
    again = Manifest.model_validate_json(manifest.model_dump_json(exclude_defaults=True))
    assert again == manifest
    assert again.digest == manifest.digest
    assert again.tools[0].digest == labelled(effect="keyed", retries=2).contract.digest
    assert again.tool("handler") == manifest.tools[0]
    assert again.tool("other") is None


def test_a_label_that_a_later_version_adds_changes_no_digest() -> None:
    """Workers of two versions serve one run: what holds its default is no part of the digest."""

    class LaterContract(ToolContract):
        colour: str = "blue"

    made = labelled().contract
    assert LaterContract(**made.model_dump()).digest == made.digest
    assert LaterContract(**made.model_dump(), colour="red").digest != made.digest


def test_an_agent_too_large_to_pin_is_refused() -> None:
    """Schemas that no payload could carry are refused at start instead of wedging each run."""
    large: Any = {"type": "object", "description": "x" * 60_000}
    tools = [tool_from_schema(f"t{number}", "Do.", large, handler) for number in range(20)]
    with pytest.raises(DeclarationError, match=r"agent 'desk' is 1,1\d\d KiB with its tools' schemas"):
        Manifest.of(Agent(**BASE, tools=tools))


def test_instructions_are_made_valid_text() -> None:
    """Half a surrogate pair in the instructions doesn't wedge the run that is pinned to them."""
    assert Agent(**{**BASE, "instructions": "a\ud800b"}).instructions == "a\N{REPLACEMENT CHARACTER}b"


def test_an_app_finds_agents_and_resources() -> None:
    """An app knows its agents by name and its resources by the type that they yield."""
    app = App(agents=[Agent(**BASE, deps=Shop)], resources=[shop])
    assert list(app.agents) == ["desk"]
    assert app.resources == {Shop: shop}


@pytest.mark.parametrize(
    ("app", "told"),
    [
        ({"agents": []}, "an App needs at least one agent"),
        ({"agents": [Agent(**BASE), Agent(**BASE)]}, "two agents are named 'desk'"),
        ({"agents": [Agent(**BASE, deps=Mail)], "resources": [shop]}, "needs a Mail, but no resource"),
        ({"agents": [Agent(**BASE)], "resources": [shop, other_shop]}, "two resources of the App yield a Shop"),
        ({"agents": [Agent(**BASE)], "resources": [undecorated]}, "'undecorated': .*decorate it"),
        ({"agents": [Agent(**BASE)], "resources": [unannotated]}, "'unannotated': annotate what it yields"),
        ({"agents": [Agent(**BASE)], "resources": [unresolvable]}, "'unresolvable': annotate what it yields"),
        ({"agents": [Agent(**BASE)], "rates": {"user": 3}}, r"rates are {'user': 3}; write them as rates=Rates\("),
        ({"agents": [Agent(**BASE)], "circuits": 0}, r"circuits are 0; write them as circuits=Circuits\("),
        ({"agents": [Agent(**BASE)], "bulkheads": "few"}, r"bulkheads are 'few'; write them as bulkheads=Bulkheads\("),
    ],
)
def test_an_app_that_cant_be_served_is_refused(app: dict[str, Any], told: str) -> None:
    """Mistakes in an app are told when it is made, before any worker starts."""
    with pytest.raises(DeclarationError, match=told):
        App(**app)


def test_a_resource_yields_what_it_says() -> None:
    """The resource that an app knows by a type opens to an object of it."""
    app = App(agents=[Agent(**BASE, deps=Shop)], resources=[shop])

    async def opened() -> object:
        async with app.resources[Shop]() as resource:
            return resource

    assert isinstance(asyncio.run(opened()), Shop)
