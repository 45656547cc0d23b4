"""A declaration from YAML: every mistake of form with its line, and with the word that was probably meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from tether.policy.source import FormError, PathPart, Problem, Source, instead
from tether.policy.yaml_text import NotYaml, read_yaml
from tether.text import one_line

MAX_BYTES = 256 * 1024
"""Size of a file."""

Declaration = TypeVar("Declaration", bound=BaseModel)
Block = tuple[str, type[BaseModel]]
Path = tuple[PathPart, ...]

_KINDS = {
    "string": "a text; write it in quotes",
    "bool": "true or false",
    "tuple": "one or a list of them",
    "dict": "a mapping of names to what belongs to them",
    "model": "a mapping",
}


@dataclass(frozen=True)
class Form(Generic[Declaration]):
    """What is written in a file, and how its mistakes are told.

    Attributes:
        name: As in `a policy`.
        model: What it becomes; validated with its `Source` as context.
        refusal: What is raised.
        starts: The key to begin with.
        needs: What is said where that key has nothing.
        blocks: Names and models of the mappings that stand under a key, or in a list under it.
        named: The same of those that stand under names of the writer's own under a key.
    """

    name: str
    model: type[Declaration]
    refusal: type[FormError]
    starts: str
    needs: str
    blocks: Mapping[str, Block] = field(default_factory=dict)
    named: Mapping[str, Block] = field(default_factory=dict)

    def read(self, text: str, name: str) -> Declaration:
        """Read it from YAML.

        Args:
            text: The file's.
            name: The file's name, for complaints and records.

        Raises:
            FormError: The form's own: it is no such thing; lists all that is wrong, each with its line.
        """
        size = len(text.encode("utf-8", "surrogatepass"))
        if size > MAX_BYTES:
            raise self._refused(name, f"the file has {size} bytes; {self.name} may have {MAX_BYTES // 1024} KiB")
        try:
            data, lines, problems = read_yaml(text)
        except NotYaml as error:
            raise self.refusal(name, [error.problem]) from error
        if data is None:
            empty = Problem(message=f"the file is empty; {self.needs}: write it under `{self.starts}:`")
            raise self.refusal(name, problems or [empty])
        if not isinstance(data, dict):
            raise self._refused(name, f"{self.name} is a mapping; begin with `{self.starts}:`", line=lines[()])
        source = Source(name=name, lines=lines)
        try:
            declared = self.model.model_validate(data, context=source)
        except ValidationError as error:
            problems += [self._problem(source, details) for details in error.errors(include_url=False)]
            raise self.refusal(name, problems) from error
        if problems:
            raise self.refusal(name, problems)
        return declared

    def _refused(self, name: str, message: str, line: int = 0) -> FormError:
        return self.refusal(name, [Problem(line=line, message=message)])

    def _problem(self, source: Source, details: ErrorDetails) -> Problem:
        path = tuple(part for part in details["loc"] if part != "[key]")
        return Problem(line=source.line(*path), message=self._message(path, details))

    def _message(self, path: Path, details: ErrorDetails) -> str:
        key = str(path[-1]) if path else ""
        where = self._where(path)
        written = details["input"]
        context = details.get("ctx", {})
        if path == (self.starts,) and (details["type"] == "missing" or written is None):
            return f"{where}: {self.needs}"
        match details["type"]:
            case "extra_forbidden":
                block, names = self._block(path[:-1])
                return f"there is no {key!r} in {block}; {instead(key, names)}"
            case "missing":
                return f"{self._block(path[:-1])[0]} needs {key!r}"
            case "literal_error":
                names = tuple(str(context["expected"]).replace("'", "").replace(" or ", ", ").split(", "))
                return f"{where}: {_shown(written)} is none of {', '.join(names)}{_meant(written, names)}"
            case "value_error":
                return f"{where}: {context['error']}"
            case "too_long" | "string_too_long":
                return f"{where}: too long; at most {context['max_length']}"
            case kind:
                expected = next((words for start, words in _KINDS.items() if kind.startswith(start)), "")
                if not expected:
                    return f"{where}: {details['msg']}"
                return f"{where}: {_shown(written)} is not {expected}"

    def _where(self, path: Path) -> str:
        """The path in words, from the innermost numbered thing on: the line says where that is."""
        names = [str(part) for part in path if isinstance(part, str)]
        numbered = len(path) > 1 and isinstance(path[1], int) and len(names) > 1
        return ".".join(names[1:] if numbered else names) or self.name.partition(" ")[2] or self.name

    def _block(self, path: Path) -> tuple[str, tuple[str, ...]]:
        """What the mapping at a path is called, and which keys it may have."""
        above = path[-2] if len(path) > 1 else ""
        if isinstance(above, str) and above in self.named:
            words, model = self.named[above]
        else:
            key = next((part for part in reversed(path) if isinstance(part, str)), "")
            words, model = self.blocks.get(key, (self.name, self.model))
        return words, tuple(field.alias or name for name, field in model.model_fields.items())


def _meant(written: Any, names: tuple[str, ...]) -> str:
    hint = instead(str(written), names)
    return f"; {hint}" if hint.startswith("did") else ""


def _shown(written: Any) -> str:
    if written is None:
        return "nothing"
    return repr(one_line(written, 60)) if isinstance(written, str) else one_line(str(written), 60)
