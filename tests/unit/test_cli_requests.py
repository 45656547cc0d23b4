"""How a request reads on a terminal: exactly, and nothing in it passes for something else."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import JsonValue
from rich.console import Console

from tether.actors import Actor
from tether.approvals import Answered, Change, Request
from tether.contract import ToolContract
from tether.ids import arguments_digest
from tether.permits import Terms
from tether.starters.cli.inputs import UsageFailed, arguments, pairs, values
from tether.starters.cli.lines import span
from tether.starters.cli.requests import change_lines, request_lines, typed
from tether.starters.cli.terminal import exact
from tether.starters.requested import Requested

CONTRACT = ToolContract(
    name="send",
    description="Send.",
    parameters={"properties": {"to": {"type": "string"}, "count": {"type": "integer"}, "any": {}}},
    sensitive=("pin",),
)
REQUEST = Request(kind="approval", call="c1", tool="send", terms=Terms(), asked_ms=0)


def lines(arguments: dict[str, JsonValue], width: int = 60, **fields: str) -> list[str]:
    """A request as it is printed."""
    digest = arguments_digest("send", arguments)
    request = Request(kind="approval", call="c1", tool="send", digest=digest, terms=Terms(), asked_ms=0).model_copy(
        update=fields
    )
    asked = Requested(run="run/default/x", request=request, arguments=arguments, whole=True, contract=CONTRACT)
    console = Console(width=width, soft_wrap=True)
    with console.capture() as captured:
        console.print(request_lines(asked, datetime(1970, 1, 1, 0, 1, tzinfo=UTC), width))
    return captured.get().splitlines()


def test_what_cant_be_seen_is_written_as_its_code() -> None:
    """Escapes, marks of direction, joiners, tags and strange spaces show as codes; letters of all scripts stay."""
    assert exact("a\x1b[2J\u200b\u202e\xa0\u2800\U000e0041ü漢") == (
        '"a\\u001b[2J\\u200b\\u202e\\u00a0\\u2800\\udb40\\udc41ü漢"'
    )


@pytest.mark.parametrize("text", ["ok\nrule         none\nAllow? [y/N] y", "ok" + " " * 58 + "rule         none"])
def test_no_argument_passes_for_a_line_of_its_own(text: str) -> None:
    """What goes on in a further line, by a line feed or by the terminal's width, is marked there."""
    shown = lines({"body": text}, reason=text)
    assert all(len(line) <= 60 for line in shown)
    assert not [line for line in shown if line.lstrip().startswith(("rule         none", "Allow?"))]
    assert sum("│ " in line for line in shown) >= 4


def test_sensitive_arguments_are_marked_in_changes_too() -> None:
    """Neither the request nor the difference of an edit has what the tool marks, at any depth."""
    arguments: dict[str, JsonValue] = {"pin": "1234", "deep": {"pin": "1234", "to": "a"}}
    request = Request(kind="approval", call="c1", tool="send", terms=Terms(), asked_ms=0)
    asked = Requested(run="run/default/x", request=request, arguments=arguments, whole=True, contract=CONTRACT)
    changes = asked.changes({"pin": "9876", "deep": {"pin": "9876", "to": "b"}})
    console = Console(width=80)
    with console.capture() as captured:
        console.print(change_lines(changes, 80))
    assert not {"1234", "9876"} & set(captured.get().replace('"', " ").split())
    assert Change(argument="pin", was="•••", now="•••") in changes
    assert "1234" not in "".join(lines(arguments))


def test_a_guess_at_a_sensitive_argument_is_not_confirmed() -> None:
    """An edit of what is sensitive reads the same whether it changes anything; of anything else it is compared."""
    given: dict[str, JsonValue] = {"pin": "1234", "PIN": "•••", "deep": {"pin": "1234"}, "to": "a"}
    asked = Requested(run="run/default/x", request=REQUEST, arguments=given, whole=True, contract=CONTRACT)
    same: list[tuple[str, JsonValue]] = [("pin", "1234"), ("PIN", "•••"), ("deep", {"pin": "1234"})]
    other: list[tuple[str, JsonValue]] = [("pin", "9876"), ("PIN", "9876"), ("deep", {"pin": "9876"})]
    for (name, guessed), (_, wrong) in zip(same, other, strict=True):
        assert asked.changes({name: guessed}) == asked.changes({name: wrong}) != ()
    assert asked.changes({"to": "a"}) == ()


def test_an_edit_that_changed_nothing_does_not_wait_on() -> None:
    """An approval whose edit was what the call had anyway allows it; one that changed it and was not taken so waits."""
    asked = Requested(run="run/default/x", request=REQUEST, arguments={"pin": "1"}, whole=True, contract=CONTRACT)
    taken = Answered(call="c1", verdict="approve", by=Actor(id="u-40"), at_ms=1)
    assert not asked.still_waits({"pin": "1"}, taken)
    assert asked.still_waits({"pin": "2"}, taken)
    assert not asked.still_waits({"pin": "2"}, taken.model_copy(update={"changes": (Change(argument="pin"),)}))


@pytest.mark.parametrize("texts", [["count=1", "count=2"], ["count=1", " count =1"]])
def test_what_is_given_twice_is_refused(texts: list[str]) -> None:
    """A name that is given twice is a mistake, whatever its values: none of them silently wins."""
    for read in (lambda: pairs("--edit", texts), lambda: arguments("--edit", texts, CONTRACT)):
        with pytest.raises(UsageFailed, match="--edit: count is given twice"):
            read()


def test_values_are_json_or_text_as_the_tool_takes_them() -> None:
    """An argument that takes only text gets text, though it looks like a number; a quoted text is unquoted."""
    given = ["to=1043", "count=7", "any=7", "other=x y", "any2=[1]", 'q="1"']
    assert values("--edit", given, CONTRACT.parameters) == {
        "to": "1043",
        "count": 7,
        "any": 7,
        "other": "x y",
        "any2": [1],
        "q": "1",
    }
    assert values("--edit", ["any=NaN"], CONTRACT.parameters) == {"any": "NaN"}


def test_commands_can_be_pasted() -> None:
    """A run whose key has spaces is quoted, and no command holds a pipe."""
    for kind in ("approval", "outcome"):
        request = Request.model_validate({"kind": kind, "call": "c1", "tool": "t", "terms": {}, "asked_ms": 0})
        for command in typed("run/default/a b;c", request):
            assert " 'run/default/a b;c' c1" in command
            assert "|" not in command


@pytest.mark.parametrize(
    ("lasted", "words"), [(0, "0 s"), (123, "2 m 3 s"), (3_600, "1 h"), (90_061, "1 d 1 h"), (-5, "0 s")]
)
def test_spans_are_in_two_units(lasted: int, words: str) -> None:
    """A wait reads in its two largest units."""
    assert span(timedelta(seconds=lasted)) == words
