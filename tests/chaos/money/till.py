"""What was really served: the provider's books and those of the services behind the tools, outside of the workers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from tests.chaos.lines import append, lines
from tether.prices import Price
from tether.testing.wire import Served
from tether.usage import Usage
from tether.value import Value


class ToolServed(Value):
    """A paid service has done something for a call.

    Attributes:
        run: Of the call.
        key: Under which it was asked; empty where each time is billed.
        amount: Micro-dollars.
    """

    run: str
    key: str = ""
    amount: int


class Till:
    """What everybody who is paid has served.

    Args:
        folder: Its file is in it, in which the tools' services write.
        price: Of the model.
        others: Of models that cost something else, by name.

    Attributes:
        replies: How many the model's server has sent, whole or not.
        cut: How many of them not to their end.
    """

    def __init__(self, folder: Path, price: Price, others: Mapping[str, Price] = MappingProxyType({})) -> None:
        self._file = folder / "till"
        self._price = price
        self._others = others
        self._models: Counter[str] = Counter()
        self.replies = 0
        self.cut = 0

    def reply(self, served: Served) -> None:
        """The model's server has sent a reply: it is billed whole, wherever it was cut."""
        self.replies += 1
        self.cut += not served.whole
        usage = served.usage
        tokens = Usage(
            input=usage.input,
            output=usage.output,
            cached=usage.cached,
            cache_write=usage.cache_write,
            reasoning=usage.reasoning,
        )
        price = self._others.get(served.request.model, self._price)
        self._models[served.request.user_text] += price.cost(tokens)

    def by_run(self) -> Counter[str]:
        """Micro-dollars, by the run's task."""
        total = Counter(self._models)
        seen: set[str] = set()
        for line in lines(self._file, ToolServed):
            if line.key in seen:
                continue  # whoever is asked twice under one key does it once
            seen |= {line.key} - {""}
            total[line.run] += line.amount
        return total

    @property
    def total(self) -> int:
        """Micro-dollars of all."""
        return sum(self.by_run().values())


def billed(folder: Path, run: str, amount: int, key: str = "") -> None:
    """A tool's service bills a call."""
    append(folder / "till", ToolServed(run=run, key=key, amount=amount))
