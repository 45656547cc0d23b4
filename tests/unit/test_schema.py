"""From a function's signature and docstring to a schema, validation, and what the handler gets."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, SecretStr, computed_field

from tether import RunContext, ToolContext, tool, tool_from_schema
from tether.errors import DeclarationError
from tether.schema import InvalidArguments, UnstableArguments
from tether.tools import Tool


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Address(BaseModel):
    street: str
    zip_code: str = Field(alias="zip")
    floor: int = 0


@dataclass
class Size:
    width: int


class Parcel(BaseModel):
    model_config = ConfigDict(extra="forbid")
    grams: int

    @computed_field
    def heavy(self) -> bool:
        return self.grams > 1_000


class Unwritable:
    pass


@tool(effect="read")
async def order(  # noqa: D417  some are left unexplained
    number: int,
    to: Address,
    colour: Colour = Colour.RED,
    speed: Literal["slow", "fast"] = "slow",
    items: list[str] = [],  # noqa: B006  what a user may write
    day: date | None = None,
    weight: float = 1,
    count: Annotated[int, Field(ge=1, le=9, description="As the field says.")] = 1,
    note: str = Field(default="", max_length=5),
) -> str:
    """Order something.

    It will be sent at once.

    Args:
        number: The number of the thing,
            as the catalogue has it.
        to: Where to.
        count: As the docstring says.
    """
    return f"{number} {to.street} {colour} {speed} {items} {day} {weight} {count} {note}"


def properties(item: Tool) -> dict[str, Any]:
    """The arguments in a tool's schema."""
    found = item.contract.parameters["properties"]
    assert isinstance(found, dict)
    return found


def test_description_is_the_docstring_without_its_sections() -> None:
    """The model reads the docstring's text; the explanations of arguments go to the arguments."""
    assert order.contract.description == "Order something.\n\nIt will be sent at once."
    assert properties(order)["number"] == {
        "type": "integer",
        "description": "The number of the thing, as the catalogue has it.",
    }


def test_schema_says_what_is_required_and_what_defaults_are() -> None:
    """A parameter without default is required; others show their default, and nothing else is let in."""
    assert order.contract.parameters["required"] == ["number", "to"]
    assert order.contract.parameters["additionalProperties"] is False
    assert properties(order)["colour"]["default"] == "red"
    assert properties(order)["items"] == {"type": "array", "items": {"type": "string"}, "default": []}
    assert properties(order)["day"]["anyOf"] == [{"type": "string", "format": "date"}, {"type": "null"}]


def test_schema_holds_types_and_constraints() -> None:
    """Enums, literals, constraints and nested models are in the schema, a field's own description before the text's."""
    definitions = order.contract.parameters["$defs"]
    assert isinstance(definitions, dict)
    assert definitions["Colour"] == {"type": "string", "enum": ["red", "blue"]}
    assert definitions["Address"]["required"] == ["street", "zip"]  # type: ignore[call-overload, index]  # a dict
    assert properties(order)["speed"]["enum"] == ["slow", "fast"]
    assert properties(order)["note"]["maxLength"] == 5
    count = properties(order)["count"]
    assert (count["minimum"], count["maximum"], count["description"]) == (1, 9, "As the field says.")


def test_schema_has_no_made_up_titles_but_keeps_an_argument_called_title() -> None:
    """Pydantic's titles cost tokens and say nothing; a parameter or default of that name is no such title."""

    @tool
    def name_it(title: str, given: dict[str, str] = {"title": "Sir"}) -> None:  # noqa: B006  what a user may write
        """Name."""

    assert properties(name_it)["title"] == {"type": "string"}
    assert properties(name_it)["given"]["default"] == {"title": "Sir"}


@pytest.mark.parametrize("name", ["copy", "json", "schema", "model_dump", "_private", "validate"])
def test_a_parameter_may_have_any_name(name: str) -> None:
    """No parameter's name is in the way of the library that validates it."""
    scope: dict[str, Any] = {}
    exec(f"def handler({name}: int) -> int:\n    'Do.'\n    return {name}", scope)  # noqa: S102  a name a case
    made = tool(scope["handler"])
    assert made.bound(context(), made.arguments.normalise({name: 3}))() == 3


def test_context_is_hidden_from_the_model_and_given_to_the_handler() -> None:
    """The ToolContext parameter, wherever it stands, is no argument, and gets the context."""

    @tool
    def who(first: int, context: ToolContext[None], second: int = 2) -> str:
        """Who."""
        return f"{context.call} {first} {second}"

    @tool
    def bare(context: ToolContext) -> str:  # type: ignore[type-arg]  # as many will write it
        """Bare."""
        return context.call

    assert list(properties(who)) == ["first", "second"]
    assert who.bound(context("c7"), {"first": 1})() == "c7 1 2"
    assert bare.contract.parameters["properties"] == {}
    assert bare.bound(context("c8"), {})() == "c8"


async def test_handler_gets_python_objects() -> None:
    """What the model wrote as JSON reaches the handler as what its signature says, by way of what is recorded."""
    written: dict[str, JsonValue] = {
        "number": 1,
        "to": {"street": "Elm", "zip": "12"},
        "colour": "blue",
        "day": "2026-11-21",
        "weight": 2,
    }
    recorded = order.arguments.normalise(written)
    got = order.arguments.handler_arguments(recorded)
    assert got["to"] == Address(street="Elm", zip="12")
    assert (got["colour"], got["day"], got["weight"]) == (Colour.BLUE, date(2026, 11, 21), 2.0)
    assert await order.bound(context(), recorded)() == "1 Elm Colour.BLUE slow [] 2026-11-21 2.0 1 "


def test_recorded_arguments_are_complete_and_stay_as_they_are() -> None:
    """Defaults are filled in at every depth, by the names of the schema, and validating again changes nothing."""
    recorded = order.arguments.normalise({"number": 1, "to": {"street": "Elm", "zip": "12"}})
    assert recorded["to"] == {"street": "Elm", "zip": "12", "floor": 0}
    assert (recorded["colour"], recorded["count"], recorded["day"]) == ("red", 1, None)
    assert order.arguments.normalise(recorded) == recorded


def test_many_types_survive_the_record() -> None:
    """Types that JSON doesn't know are written so that they can be read back."""

    @tool
    def take(
        moment: datetime,
        span: timedelta,
        price: Decimal,
        key: UUID,
        pair: tuple[int, str],
        some: set[int],
        size: Size,
        parcel: Parcel,
    ) -> None:
        """Take."""

    written: dict[str, JsonValue] = {
        "moment": "2026-11-21T09:00:00Z",
        "span": "PT90S",
        "price": "1.50",
        "key": "12345678-1234-5678-1234-567812345678",
        "pair": [1, "a"],
        "some": [3],
        "size": {"width": 4},
        "parcel": {"grams": 5},
    }
    got = take.arguments.handler_arguments(take.arguments.normalise(written))
    assert (got["span"], got["price"], got["pair"]) == (timedelta(seconds=90), Decimal("1.50"), (1, "a"))
    assert (got["some"], got["size"], got["key"]) == ({3}, Size(4), UUID("12345678-1234-5678-1234-567812345678"))
    assert got["parcel"] == Parcel(grams=5)


@pytest.mark.parametrize("cents", [Annotated[int, AfterValidator(lambda cents: cents * 100)], "nested"])
def test_what_validation_changes_each_time_is_refused(cents: Any) -> None:
    """What is recorded, shown and allowed is what the handler gets: there can't be a hundredfold of it."""

    class Money(BaseModel):
        cents: Annotated[int, AfterValidator(lambda cents: cents * 100)]

    def pay(amount: Any, note: str = "") -> None:
        """Pay."""

    pay.__annotations__["amount"] = Money if cents == "nested" else cents
    with pytest.raises(UnstableArguments, match=r"^amount: the tool's own validation.*For its developer") as told:
        tool(pay).arguments.normalise({"amount": {"cents": 5} if cents == "nested" else 5})
    assert "500" not in str(told.value)


def test_what_validation_refuses_the_second_time_is_refused_at_once() -> None:
    """A model isn't told to mend a value that it hasn't written."""

    @tool
    def pay(cents: Annotated[int, Field(le=100), AfterValidator(lambda cents: cents * 100)]) -> None:
        """Pay."""

    with pytest.raises(UnstableArguments, match=r"^cents: the tool's own validation changes or refuses"):
        pay.arguments.normalise({"cents": 5})


def test_arguments_that_would_be_executed_otherwise_than_recorded_are_refused() -> None:
    """A validator that returns something else each time can't slip a value past what was recorded."""
    rate = iter([1, 1, 3])

    @tool
    def pay(cents: Annotated[int, AfterValidator(lambda cents: cents * next(rate))]) -> None:
        """Pay."""

    recorded = pay.arguments.normalise({"cents": 5})
    with pytest.raises(UnstableArguments):
        pay.arguments.handler_arguments(recorded)


def test_validation_may_change_what_was_written_once() -> None:
    """A validator that leaves alone what it returned is no obstacle, nor is a set that is written in another order."""

    @tool
    def tag(name: Annotated[str, AfterValidator(str.lower)], ids: set[int]) -> None:
        """Tag."""

    orders: list[list[JsonValue]] = [[7, 15], [15, 7]]
    for ids in orders:
        recorded = tag.arguments.normalise({"name": "ABC", "ids": ids})
        assert recorded["name"] == "abc"
        assert tag.arguments.handler_arguments(recorded) == {"name": "abc", "ids": {7, 15}}


def test_a_default_that_validation_changes_is_refused() -> None:
    """A default is recorded as it is written: the handler would get another one."""

    def pay(cents: Annotated[int, AfterValidator(lambda cents: cents * 100)] = 5) -> None:
        """Pay."""

    with pytest.raises(DeclarationError, match="the default of 'cents' is changed by its own validation"):
        tool(pay)


ADDRESS: dict[str, JsonValue] = {"street": "Elm", "zip": "1"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"to": ADDRESS}, "number: required, but missing"),
        ({"number": "5", "to": ADDRESS}, "number: input should be a valid integer"),
        ({"number": 5.5, "to": ADDRESS}, "number: input should be a valid integer"),
        ({"number": True, "to": ADDRESS}, "number: input should be a valid integer"),
        ({"number": 5, "to": ADDRESS, "hurry": 1}, "hurry: there is no such argument"),
        ({"number": 5, "to": {"zip": "1"}}, "to.street: required, but missing"),
        ({"number": 5, "to": {"street": "Elm", "zip": 1}}, "to.zip: input should be a valid string"),
        ({"number": 5, "to": ADDRESS, "colour": "green"}, "colour: input should be 'red' or 'blue'"),
        ({"number": 5, "to": ADDRESS, "speed": "warp"}, "speed: input should be 'slow' or 'fast'"),
        ({"number": 5, "to": ADDRESS, "count": 10}, "count: input should be less than or equal to 9"),
        ({"number": 5, "to": ADDRESS, "items": ["a", 1]}, "items.1: input should be a valid string"),
        ({"number": 5, "to": ADDRESS, "weight": float("nan")}, "weight: input should be a finite number"),
    ],
)
def test_arguments_that_dont_fit_are_explained(arguments: dict[str, JsonValue], told: str) -> None:
    """Missing, wrong, extra and nested mistakes are told argument by argument, and strictly: "5" is no integer."""
    with pytest.raises(InvalidArguments) as raised:
        order.arguments.normalise(arguments)
    assert str(raised.value) == told


def test_all_mistakes_are_told_at_once() -> None:
    """A model can mend all its mistakes in one go."""
    with pytest.raises(InvalidArguments, match=r"number: required.*; to: required.*; zz: there is no"):
        order.arguments.normalise({"zz": 1})


def unannotated(a) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """Do."""


def variadic(*a: int) -> None:
    """Do."""


def keywords(**a: int) -> None:
    """Do."""


def positional(a: int, /) -> None:
    """Do."""


def unresolvable(a: "Nowhere") -> None:  # type: ignore[name-defined]  # noqa: F821
    """Do."""


def unwritable(a: Unwritable) -> None:
    """Do."""


def misexplained(a: int) -> None:  # noqa: D417  that is its mistake
    """Do.

    Args:
        b: There is no such parameter.
    """


def undocumented(a: int) -> None:  # noqa: D103  that is its mistake
    pass


def bad_default(a: int = None) -> None:  # type: ignore[assignment]  # noqa: RUF013
    """Do."""


def secret(a: SecretStr) -> None:
    """Do."""


def unwritable_result() -> Unwritable:
    """Do."""
    return Unwritable()


def generating() -> Any:
    """Do."""
    yield 1


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (unannotated, "'unannotated': parameter 'a' needs a type annotation"),
        (variadic, "'variadic': parameter 'a' must be an ordinary named parameter"),
        (keywords, "'keywords': parameter 'a' must be an ordinary named parameter"),
        (positional, "'positional': parameter 'a' must be an ordinary named parameter"),
        (unresolvable, "'unresolvable': the annotation 'Nowhere' can't be resolved"),
        (unwritable, "'unwritable': no JSON Schema can be made of its signature"),
        (misexplained, "'misexplained': its docstring explains 'b', which is not a parameter"),
        (undocumented, "'undocumented': the model needs a description"),
        (bad_default, "'bad_default': the default of 'a' is not of its type"),
        (secret, "'secret': a secret can't be an argument"),
        (unwritable_result, "'unwritable_result': its result type .* can't be written as JSON"),
        (generating, "'generating': it yields"),
        (Size(1), "is not a function"),
    ],
)
def test_a_function_that_cant_be_a_tool_is_refused(function: Any, told: str) -> None:
    """What can't be a tool is refused where it is declared, with the tool, the parameter and the reason."""
    with pytest.raises(DeclarationError, match=told):
        tool(function)


FOREIGN: dict[str, JsonValue] = {
    "type": "object",
    "properties": {"path": {"type": "string"}, "depth": {"type": "integer"}},
    "required": ["path"],
}


def test_a_foreign_schema_guards_its_handler() -> None:
    """A tool of a foreign schema shows that schema, validates by it, and gives its handler one dict."""
    made = tool_from_schema("ls", "List.", FOREIGN, sorted_names)
    assert made.contract.parameters == FOREIGN
    assert made.bound(context(), {"path": "/", "depth": 1})() == ["depth", "path"]
    with pytest.raises(InvalidArguments, match=r'"path" is a required property'):
        made.arguments.normalise({})
    with pytest.raises(InvalidArguments, match=r"depth: .* is not of type"):
        made.arguments.normalise({"path": "/", "depth": "deep"})


def test_a_foreign_schemas_complaints_keep_values_to_themselves() -> None:
    """What the model wrote is not repeated in the error: it may be long, and it may be secret."""
    made = tool_from_schema("ls", "List.", FOREIGN, lambda arguments: arguments)
    with pytest.raises(InvalidArguments) as raised:
        made.arguments.normalise({"path": "/", "depth": "s3cret"})
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"type": "array"}, "must describe an object, not 'array'"),
        ({"type": "object", "properties": 5}, "its JSON Schema is not valid"),
        ({"type": "object", "properties": {"a": {"type": "text"}}}, "its JSON Schema is not valid"),
        ({"$ref": "http://localhost:9/schema.json"}, "its JSON Schema is not valid: .*cannot fetch"),
        ([], "its JSON Schema must be a dict"),
    ],
)
def test_a_schema_that_isnt_one_is_refused(schema: Any, told: str) -> None:
    """An invalid schema, one of no object, or one that would be fetched is refused where it is declared."""
    with pytest.raises(DeclarationError, match=rf"'ls'.*{told}"):
        tool_from_schema("ls", "List.", schema, lambda arguments: arguments)


def sorted_names(arguments: dict[str, Any]) -> list[str]:
    """A handler."""
    return sorted(arguments)


def context(call: str = "") -> ToolContext[Any]:
    """A context as an activity makes it."""
    return ToolContext(deps=None, run=RunContext(), call=call)
