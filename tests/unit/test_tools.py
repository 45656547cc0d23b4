"""Tools: their labels and names, what becomes of their results, and the registry."""

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, TypedDict

import pytest
from pydantic import BaseModel

from tether import Retries, RunContext, Tool, ToolContext, tool, tool_from_schema
from tether.contract import ToolContract
from tether.errors import DeclarationError, DuplicateTool
from tether.tools import ToolRegistry


class Refund(BaseModel):
    cents: int


@dataclass
class Order:
    number: int


class Row(TypedDict):
    number: int


class Odd:
    def __str__(self) -> str:
        return "odd one"


def handler(order_id: str, token: str = "") -> str:
    """Do something."""
    return order_id + token


def contract(**labels: Any) -> ToolContract:
    """The contract of `handler` with these labels."""
    made = tool(**labels)(handler)
    assert isinstance(made, Tool)
    return made.contract


async def later(order_id: str) -> str:
    """Come to an amount too late."""
    return order_id


def test_labels_are_recorded_in_the_contract() -> None:
    """Every label reaches the contract, in the units of the record."""
    made = contract(
        name="refund",
        description="Refund.",
        effect="keyed",
        timeout=1.5,
        retries=4,
        rate_per_minute=6,
        max_calls=2,
        requires_approval=True,
        resource="order:{order_id}",
        owner="{order_id}",
        reconcile=lambda order_id: order_id,
        summary="order {order_id}",
        sensitive=["token"],
        sinks=["order_id"],
        returns="directory",
        confidential=True,
        cost_usd="0.002",
        version="2",
        no_effect_on=[KeyError],
    )
    assert made.model_dump(exclude={"parameters"}) == {
        "name": "refund",
        "description": "Refund.",
        "effect": "keyed",
        "timeout_ms": 1500,
        "retries": {"attempts": 4, "first_ms": 1000, "factor": 2.0},
        "rate_per_minute": 6,
        "max_calls": 2,
        "requires_approval": True,
        "resource": "order:{order_id}",
        "owner": "{order_id}",
        "resolves_owner": False,
        "reconciles": True,
        "summary": "order {order_id}",
        "sensitive": ("token",),
        "sinks": ("order_id",),
        "returns": "directory",
        "confidential": True,
        "cost": 2000,
        "prices_calls": False,
        "reports_cost": False,
        "version": "2",
        "no_effect_on": ("KeyError",),
        "rereads": False,
    }


def test_a_tool_without_labels_is_the_cautious_one() -> None:
    """Unlabelled, a tool is unsafe, its result untrusted, and the usual secrets are sensitive."""
    made = contract()
    assert (made.effect, made.returns, made.timeout_ms, made.retries) == ("unsafe", "untrusted", 30_000, Retries())
    assert made.sensitive == ("password", "token", "secret", "api_key")


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ({"tiemout": 3}, "there is no label 'tiemout'; there are: effect, timeout, "),
        ({"requires_aproval": True}, "there is no label 'requires_aproval'"),
        ({"effect": "safe"}, "effect='safe': Input should be 'read', 'idempotent', 'keyed' or 'unsafe'"),
        ({"timeout": 0}, "timeout=0: "),
        ({"timeout": 100_000}, "timeout=100000: "),
        ({"timeout": float("nan")}, "timeout=nan: "),
        ({"retries": 0}, "retries=0: "),
        ({"retries": 1000}, "retries=1000: "),
        ({"max_calls": 0}, "max_calls=0: "),
        ({"rate_per_minute": -1}, "rate_per_minute=-1: "),
        ({"returns": "trusted"}, "returns='trusted': "),
        ({"cost_usd": 0.5}, "cost_usd=0.5: .*a float can't hold cents"),
        ({"cost_usd": "free"}, "cost_usd='free': .*not an amount"),
        ({"cost_usd": "-1"}, "cost_usd='-1': .*not an amount between"),
        ({"cost_usd": "0.0000001"}, "cost_usd='0.0000001': .*finer than a micro-dollar"),
        ({"cost_usd": "1.0000000000000000000000000000000001"}, "cost_usd=.*finer than a micro-dollar"),
        ({"cost_usd": 10**10}, "cost_usd=10000000000: .*not an amount between"),
        ({"cost_usd": True}, "cost_usd=True: "),
        ({"cost_usd": None}, "cost_usd=None: .*give dollars, as in '0.002', or a function"),
        ({"cost_usd": lambda page: page}, "cost_usd: its parameter 'page' is not an argument of the tool"),
        ({"cost_usd": later}, "cost_usd=.*write a plain function, not an async one"),
        ({"cost_usd": "1", "actual_cost_usd": later}, "actual_cost_usd=.*write a plain function, not an async one"),
        ({"cost_usd": "1", "actual_cost_usd": lambda: 1}, "actual_cost_usd=.*given what the handler returned"),
        ({"cost_usd": "1", "actual_cost_usd": "1"}, "actual_cost_usd='1': Input should be callable"),
        ({"actual_cost_usd": len}, "actual_cost_usd says .* say by cost_usd what it costs at most"),
        ({"sinks": "order_id"}, "sinks='order_id': Input should be a valid tuple"),
        ({"sensitive": "token"}, "sensitive='token': Input should be a valid tuple"),
        ({"no_effect_on": ["KeyError"]}, "no_effect_on="),
        ({"sinks": ["to"]}, "sinks names 'to', which is not an argument"),
        ({"resource": "order:{id}"}, "resource names 'id', which is not an argument"),
        ({"summary": "order {id}"}, "summary names 'id', which is not an argument"),
        ({"resource": "account:{token}"}, "resource names 'token', which is sensitive"),
        ({"resource": "own:{order_id}"}, "resource='own:{order_id}': 'own:' is the policies' word"),
        ({"owner": "{id}"}, "owner names 'id', which is not an argument"),
        ({"owner": "{token}"}, "owner names 'token', which is sensitive"),
        ({"owner": 7}, "owner=7: .*a template over the arguments, or a function of them"),
        ({"owner": lambda customer: customer}, "owner: its parameter 'customer' is not an argument of the tool"),
        (
            {"owner": lambda *all_of_them: all_of_them},
            "owner: its parameter 'all_of_them' must be an ordinary named one",
        ),
        ({"owner": dict}, "owner: its signature can't be read"),
        ({"reconcile": "by hand"}, "reconcile='by hand': Input should be callable"),
        ({"reconcile": lambda key: key}, "reconcile: its parameter 'key' is not an argument of the tool"),
        ({"reconcile": lambda: None, "effect": "read"}, "a read has no effect to reconcile"),
    ],
)
def test_a_label_that_cant_be_used_is_refused(labels: dict[str, Any], told: str) -> None:
    """A misspelt or impossible label is refused where it is written; ignored, a guard would silently be missing."""
    with pytest.raises(DeclarationError, match=f"tool 'handler': {told}"):
        contract(**labels)
    with pytest.raises(DeclarationError, match=f"tool 'handler': {told}"):
        tool_from_schema("handler", "Do.", contract().parameters, handler, **labels)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (" padded", "must be printable text"),
        ("new\nline", "must be printable text"),
        ("half \ud800", "must be printable text"),
        ("x" * 129, "is too long: at most 128 bytes"),
        ("ä" * 65, "is too long: at most 128 bytes"),
        ("tether:think", "is kept for Tether's activities"),
    ],
)
def test_a_name_that_no_activity_may_have_is_refused(name: str, told: str) -> None:
    """A tool's name is its activity type: unprintable, long and reserved names are refused."""
    with pytest.raises(DeclarationError, match=told):
        contract(name=name)


def test_a_foreign_tool_needs_a_name_and_a_description() -> None:
    """A foreign tool without name or description is refused."""
    schema = contract().parameters
    with pytest.raises(DeclarationError, match="can't be a tool's name"):
        tool_from_schema("", "Do.", schema, handler)
    with pytest.raises(DeclarationError, match="'x': the model needs a description"):
        tool_from_schema("x", " ", schema, handler)


def test_tool_twice_is_refused() -> None:
    """A tool made of a tool is a mistake that says so."""
    with pytest.raises(DeclarationError, match="'handler' already is a tool"):
        tool(tool(handler))


def test_a_tool_can_be_called_as_its_function() -> None:
    """Decorating leaves the function usable and testable as before."""
    assert tool(handler)("1", token="x") == "1x"


class AsyncObject:
    async def __call__(self, arguments: dict[str, Any]) -> int:
        return len(arguments)


def test_async_handlers_are_told_from_sync_ones() -> None:
    """Coroutine functions, and objects whose call is one, run on the loop; everything else in a thread."""

    @tool
    async def later() -> None:
        """Do it later."""

    assert later.is_async
    assert not tool(handler).is_async
    assert tool_from_schema("count", "Count.", {}, AsyncObject()).is_async


def test_a_foreign_handler_gets_the_context_where_it_asks_for_it() -> None:
    """`context=True` hands the context to a foreign tool's handler."""

    def where(arguments: dict[str, Any], context: ToolContext[None]) -> str:
        return f"{context.run.tenant} {arguments}"

    made = tool_from_schema("where", "Where.", {}, where, context=True)
    assert made.bound(ToolContext(deps=None, run=RunContext(tenant="t")), {"a": 1})() == "t {'a': 1}"


def test_heartbeat_details_are_bounded_and_valid_text() -> None:
    """What a handler says of its progress is cut and made valid, or the beat that carries it could not be written."""
    told: list[str] = []
    ToolContext(deps=None, run=RunContext(), _beat=told.append).heartbeat("\ud800" + "x" * 2_000)
    assert told == ["\N{REPLACEMENT CHARACTER}" + "x" * 999]


class Desk:
    """A resource."""


def test_functions_beside_a_handler_take_what_they_name() -> None:
    """Owner and reconcile get the arguments that they name, typed as the handler's, and the context if they want it."""

    async def owner(context: ToolContext[Desk], order: Refund) -> str:
        return f"{context.run.user} {order.cents}"

    made = tool(owner=owner, reconcile=lambda **arguments: arguments)(refunding)
    context = ToolContext(deps=Desk(), run=RunContext(user="u-1"), idempotency_key="k")
    assert made.owner
    assert made.reconcile
    assert (made.owner.is_async, made.reconcile.is_async) == (True, False)
    assert made.contract.resolves_owner
    assert made.contract.owner == ""
    arguments: dict[str, Any] = {"order": {"cents": 5}, "note": "x"}
    assert made.reconcile.bound(context, arguments)() == {"order": Refund(cents=5), "note": "x"}
    assert asyncio.run(made.owner.bound(context, arguments)()) == "u-1 5"


def refunding(order: Refund, note: str = "") -> str:
    """Refund."""
    return note


def test_a_lambda_gets_the_context_by_its_name() -> None:
    """A lambda can't be annotated: its `context` is the context, unless that is an argument of the tool."""

    def about(context: str) -> str:
        """Tell."""
        return context

    given = ToolContext(deps=None, run=RunContext(user="u-1"))
    by_lambda = tool(owner=lambda context: context.run.user)(handler)
    by_argument = tool(owner=lambda context: context)(about)
    assert by_lambda.owner
    assert by_argument.owner
    assert by_lambda.owner.bound(given, {"order_id": "1"})() == "u-1"
    assert by_argument.owner.bound(given, {"context": "c"})() == "c"


def test_functions_beside_a_foreign_handler_take_its_dict() -> None:
    """A foreign tool's functions get `arguments` as its handler does, and nothing else."""
    schema = contract().parameters
    made = tool_from_schema("x", "Do.", schema, handler, owner=lambda arguments: arguments["order_id"])
    assert made.owner
    assert made.owner.bound(None, {"order_id": "1"})() == "1"
    with pytest.raises(DeclarationError, match="owner: its parameter 'order_id' is not an argument of the tool"):
        tool_from_schema("x", "Do.", schema, handler, owner=lambda order_id: order_id)


def test_an_annotation_that_cant_be_resolved_is_named() -> None:
    """A function whose annotations don't resolve is refused where it is declared: its context might be missed."""

    def owner(order_id: "Missing") -> str:  # type: ignore[name-defined]  # noqa: F821  that is the case
        return str(order_id)

    with pytest.raises(DeclarationError, match="owner: the annotation 'Missing' can't be resolved"):
        contract(owner=owner)


@pytest.mark.parametrize(
    ("arguments", "owner"),
    [
        ({"order_id": "u-1"}, "u-1"),
        ({"order_id": 7}, "7"),
        ({"order_id": None}, ""),
        ({}, None),
        ({"order_id": True}, None),
        ({"order_id": ["u-1"]}, None),
    ],
)
def test_an_owners_template_names_somebody_or_nobody(arguments: dict[str, Any], owner: str | None) -> None:
    """Null names nobody: it is not an owner called None; of what is missing or no id it can't be said whose it is."""
    assert contract(owner="{order_id}").owner_of(arguments) == owner


def returning(annotation: Any) -> Tool:
    """A tool whose result is annotated so."""

    def give() -> Any:
        """Give."""

    give.__annotations__["return"] = annotation
    return tool(give)


@pytest.mark.parametrize(
    ("annotation", "returned", "written"),
    [
        (Refund, Refund(cents=5), {"cents": 5}),
        (Order, Order(7), {"number": 7}),
        (Row, Row(number=7), {"number": 7}),
        (list[Refund], [Refund(cents=5)], [{"cents": 5}]),
        (dict[str, Decimal], {"a": Decimal("1.5")}, {"a": "1.5"}),
        (None, None, None),
        (Any, {"path": Path("a/b"), "odd": Odd()}, {"path": "a/b", "odd": "odd one"}),
        (Any, Odd(), "odd one"),
        (Any, Refund(cents=5), {"cents": 5}),
        (str, 5, 5),
        (Refund, {"cents": "not checked"}, {"cents": "not checked"}),
    ],
)
def test_results_are_written_as_json(annotation: Any, returned: Any, written: Any) -> None:
    """Models, dataclasses, typed dicts and plain values become JSON; what has no JSON is told as its text."""
    assert returning(annotation).dump(returned) == written


def test_a_result_that_cant_be_written_is_told_as_text() -> None:
    """The effect has happened: a result that is no JSON doesn't make the call look failed."""
    loop: list[Any] = []
    loop.append(loop)
    assert tool(handler).dump(loop) == "[[...]]"
    assert returning(Any).dump({"data": b"\xff"}) == "{'data': b'\\xff'}"


def named(name: str) -> Tool:
    """A tool of that name."""
    return tool_from_schema(name, "Do.", {}, handler)


def test_registry_looks_up_and_lists() -> None:
    """A registry finds tools by exact name and lists them in order of declaration."""
    registry = ToolRegistry([named("b"), named("a")])
    assert registry.names() == ("b", "a")
    assert [item.name for item in registry] == ["b", "a"]
    assert len(registry) == 2
    assert (found := registry.find("a")) is not None
    assert found.name == "a"
    assert registry.find("A") is None


def test_registry_refuses_a_name_twice() -> None:
    """Two tools of one name are refused, by their name."""
    registry = ToolRegistry([named("a")])
    with pytest.raises(DuplicateTool, match="two tools are named 'a'"):
        registry.add(named("a"))


def test_registry_names_what_resembles() -> None:
    """A misspelt name brings up to three similar ones, the most similar first; anything else none."""
    registry = ToolRegistry(map(named, ["look_up_order", "look_up_customer", "refund", "look_up", "look_up_user"]))
    assert registry.nearest("lookup_order")[0] == "look_up_order"
    assert len(registry.nearest("look_up_")) == 3
    assert registry.nearest("zzz") == ()


def test_functions_that_say_what_calls_cost_are_declared_but_not_recorded() -> None:
    """The contract says that there are such functions, so that a worker without them has another contract."""
    priced = tool(cost_usd=lambda order_id: order_id, actual_cost_usd=len)(handler)
    assert (priced.contract.cost, priced.contract.prices_calls, priced.contract.reports_cost) == (0, True, True)
    assert (priced.cost is None, priced.actual_cost) == (False, len)
    assert contract(cost_usd=2).cost == 2_000_000
    assert contract().digest == contract(cost_usd="0").digest


def test_a_tool_from_a_schema_says_what_its_calls_cost_too() -> None:
    """Its functions get the arguments as a dict."""
    schema: dict[str, Any] = {"type": "object", "properties": {"pages": {"type": "integer"}}}
    made = tool_from_schema("scan", "Scan.", schema, dict, cost_usd=lambda arguments: arguments["pages"])
    assert made.contract.prices_calls
    assert made.cost
    assert made.cost.bound(None, {"pages": 3})() == 3
    with pytest.raises(DeclarationError, match="cost_usd: its parameter 'pages' is not an argument"):
        tool_from_schema("scan", "Scan.", schema, dict, cost_usd=lambda pages: pages)
