"""The scripted model of a season: how long each run goes on, what its calls cost, and the faults of its server."""

from __future__ import annotations

import random

from tests.chaos.money.app import MAX_OUTPUT_TOKENS, SEARCH
from tests.chaos.money.season import Season
from tether.testing.wire import Answer, CutStream, Reply, Request, ScriptedCall, ScriptedUsage, Status

_FAULTS = 0.05
_TURNS = (["look"], ["look", "look"], ["search"], ["search", "look"], ["ship"], ["search", "ship"])


class SpendingModel:
    """Answers by the run's task and how far it has come, so that a request that is made again is answered the same.

    Args:
        season: Which it plays in.
    """

    def __init__(self, season: Season) -> None:
        self._seed, self._calls_each = season.seed, season.calls
        self._faults = None if season.quiet else random.Random(season.seed)  # noqa: S311  trials, no secrets

    def __call__(self, request: Request) -> Answer:
        """A reply; at times the server's refusal, or half of the reply."""
        reply = self._reply(request)
        if self._faults and self._faults.random() < _FAULTS:
            return self._faults.choice((Status(503), Status(429), CutStream(reply)))
        return reply

    def _reply(self, request: Request) -> Reply:
        task, so_far = request.user_text, len(request.tool_results)
        source = random.Random(f"{self._seed}/{task}/{so_far}")  # noqa: S311  as above
        enough = random.Random(f"{self._seed}/{task}").randint(*self._calls_each)  # noqa: S311  as above
        most = min(MAX_OUTPUT_TOKENS, request.json["max_output_tokens"])
        length = len(request.body) // 5
        return Reply(
            text="Now then. " * 8,
            calls=() if so_far >= enough else self._calls(source),
            usage=ScriptedUsage(
                input=length, output=source.randint(30, most), cached=source.randrange(length // 2) if so_far else 0
            ),
            pause=source.uniform(0.0, 0.12),
        )

    @staticmethod
    def _calls(source: random.Random) -> list[ScriptedCall]:
        names = source.choice(
            (["look"], ["look", "look"], ["search"], ["search", "look"], ["ship"], ["search", "ship"])
        )
        return [ScriptedCall(name, {"micros": source.randint(0, SEARCH)} if name == "search" else {}) for name in names]
