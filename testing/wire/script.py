"""What the server says next: a list that is used up, or a function that decides."""

import inspect
from asyncio import CancelledError
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from tether.testing.wire.faults import Fault, Status
from tether.testing.wire.replies import Reply
from tether.testing.wire.requests import Request

Answer: TypeAlias = Reply | Fault
Script: TypeAlias = Sequence[Answer] | Callable[[Request], Answer | Awaitable[Answer]]


class Prompter:
    """Hands out the answers of a script, and remembers where the script itself was at fault.

    Attributes:
        problems: One message for each request that the script had no answer for, or none that can be sent.
    """

    def __init__(self, script: Script) -> None:
        self.problems: list[str] = []
        self.follow(script)

    def follow(self, script: Script) -> None:
        """Continue with another script from the next request on."""
        self._decide = script if callable(script) else None
        self._answers = deque(() if callable(script) else script)
        self._length = len(self._answers)

    @property
    def left(self) -> int:
        """Answers of a list that nobody has asked for yet."""
        return len(self._answers)

    async def answer(self, request: Request) -> Answer:
        """The answer to a request; a script that fails to give one answers 500 and says why."""
        if self._decide is not None:
            return await self._ask(self._decide, request)
        if not self._answers:
            return self.at_fault(
                f"the script is exhausted: it has {self._length} answers and this is one request more "
                f"({request.path}); add an answer to the script, or look in server.requests for the one "
                "that was not expected"
            )
        return self._checked("has", self._answers.popleft(), request)

    async def _ask(self, decide: Callable[[Request], Answer | Awaitable[Answer]], request: Request) -> Answer:
        try:
            decided: object = decide(request)
            if inspect.isawaitable(decided):
                decided = await decided
        except (CancelledError, KeyboardInterrupt):
            raise  # by whoever stops the server, not by the script
        except BaseException as error:  # noqa: BLE001 - whatever it is, `pytest.fail` included, the test must see it
            return self.at_fault(f"the script raised {type(error).__name__}: {error} ({request.path})")
        return self._checked("returned", decided, request)

    def _checked(self, did: str, decided: object, request: Request) -> Answer:
        if isinstance(decided, Answer):
            return decided
        return self.at_fault(f"the script {did} {decided!r}, which is neither a Reply nor a fault ({request.path})")

    def at_fault(self, message: str) -> Status:
        """Note what the script did wrong; the answer that says so to the client."""
        self.problems.append(message)
        return Status(500, message=message, headers={"x-should-retry": "false"})
