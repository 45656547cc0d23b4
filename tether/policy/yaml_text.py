"""YAML as a policy needs it: plain data with the line of everything, no aliases, no types but JSON's."""

from __future__ import annotations

import math
import re
from typing import Any

import yaml

from tether.policy.source import Lines, PathPart, Problem

MAX_DEPTH = 12
"""How deep lists and mappings may be nested; a policy needs seven levels."""

MAX_DIGITS = 30

Path = tuple[PathPart, ...]

_CORE = "tag:yaml.org,2002:"


class NotYaml(Exception):
    """The text isn't YAML that can be used.

    Attributes:
        problem: Where and why.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class _Loader(yaml.SafeLoader):
    """YAML 1.2's plain scalars: `no` and `on` are texts, `1:30` is no number and a date is a text."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  as its base has it

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]  # its stubs leave it out
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            mark = event.start_mark
            raise yaml.MarkedYAMLError(problem="anchors and aliases can't be used; write it out", problem_mark=mark)
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem="nested too deep", problem_mark=event.start_mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


_Loader.add_implicit_resolver(f"{_CORE}null", re.compile(r"(?:~|null|)"), ["~", "n", ""])
_Loader.add_implicit_resolver(f"{_CORE}bool", re.compile(r"(?:true|false)"), ["t", "f"])
_Loader.add_implicit_resolver(f"{_CORE}int", re.compile(r"[-+]?[0-9]+"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    f"{_CORE}float",
    re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?"),
    list("-+.0123456789"),
)
# The base matches from the start only; these must match the whole scalar.
for _resolvers in _Loader.yaml_implicit_resolvers.values():
    _resolvers[:] = [(tag, re.compile(rf"(?:{pattern.pattern})\Z")) for tag, pattern in _resolvers]


def read_yaml(text: str) -> tuple[Any, Lines, list[Problem]]:
    """Read one YAML document.

    Returns:
        Its data; the line, from 1, of each path; and what was wrong with it, such as a key that stands twice.

    Raises:
        NotYaml: It can't be read at all.
    """
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise NotYaml(_problem(mark.line + 1 if mark else 0, error.problem or "it can't be read")) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise NotYaml(_problem(line, "there is a character that YAML doesn't allow")) from error
    except yaml.YAMLError as error:
        raise NotYaml(_problem(0, str(error).splitlines()[0])) from error
    reading = _Reading()
    data = None if node is None else reading.value(node, ())
    return data, reading.lines, reading.problems


class _Reading:
    """Turns nodes into data, and keeps where they stood."""

    def __init__(self) -> None:
        self.lines: Lines = {}
        self.problems: list[Problem] = []

    def value(self, node: yaml.Node, path: Path) -> Any:
        line = node.start_mark.line + 1
        self.lines.setdefault(path, line)
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_CORE}map":
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_CORE}seq":
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, line)
        return self._complain(line, f"the tag {node.tag!r} can't be used; leave it out")

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self._complain(line, "a key must be a word, not a list or mapping")
                continue
            key = key_node.value
            if key in found:
                self._complain(
                    line, f"{key!r} stands here a second time; the first is in line {self.lines[(*path, key)]}"
                )
                continue
            self.lines[(*path, key)] = line
            found[key] = self.value(value_node, (*path, key))
        return found

    def _scalar(self, node: yaml.ScalarNode, line: int) -> Any:
        text: str = node.value
        match node.tag.removeprefix(_CORE):
            case "str":
                return text
            case "null":
                return None
            case "bool":
                return text == "true"
            case "int" | "float" if len(text) > MAX_DIGITS:
                return self._complain(line, "the number is too long; write it in quotes if it is meant as a text")
            case "int" if text.lstrip("+-").isdecimal():
                return int(text)
            case "float" if math.isfinite(number := float(text)):
                return number
        return self._complain(line, f"{text!r} can't be used as {node.tag.removeprefix(_CORE)!r}")

    def _complain(self, line: int, message: str) -> None:
        self.problems.append(_problem(line, message))


def _problem(line: int, message: str) -> Problem:
    return Problem(line=line, message=message)
