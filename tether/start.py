"""What starts a run, and what continues it in the next run of its chain."""

from __future__ import annotations

from pydantic import JsonValue
from pydantic_core import PydanticSerializationError

from tether.budget.scope import unscopable
from tether.context import RunContext
from tether.errors import ErrorKind, RunError
from tether.ids import canonical, chained, content_id, sha256
from tether.limits import LimitChanges, RunLimits
from tether.records import Segment
from tether.state import RunState
from tether.text import one_line, utf8_size
from tether.value import Value

MAX_TASK_BYTES = 256 * 1024
MAX_METADATA_BYTES = 16 * 1024
"""Of the metadata, which each call of a turn carries: 64 of them at once stay below what one workflow task may send."""
MAX_INPUT_BYTES = 512 * 1024
"""Of a run's whole input, which continue-as-new writes twice; far below the 2 MiB at which a workflow task wedges."""


REQUEST_MEMO = "tether"
"""Where a run's memo holds its `RequestMemo`."""


class Carried(Value):
    """What continue-as-new, or a run that has ended, hands over: references and counters, never the transcript.

    Attributes:
        segments: The turns in closed runs.
        pinned_in: Temporal's id of the run whose history holds the manifest.
        pinned_at: The run's id, where that is another run which this one resumes; empty for the same.
        state: The run's state.
        limits: The limits that hold; those of a run that is resumed are its own.
    """

    segments: tuple[Segment, ...]
    pinned_in: str
    pinned_at: str = ""
    state: RunState
    limits: RunLimits


class Resumed(Value):
    """From where a run goes on.

    Attributes:
        run: The run that it resumes.
        original: The run with which it all began: another one, where a run was resumed that resumes a run itself.
        first_run: `first_execution_run_id` of that, for idempotency keys: the key of a call stays what it was.
        number: How many runs precede it.
        turns: How many turns those answered.
        steps: How many lines their records have.
        by_itself: Whether it was begun by that run at its timeout, and by nobody else.
    """

    run: str
    original: str
    first_run: str
    number: int
    turns: int = 0
    steps: int = 0
    by_itself: bool = False

    @property
    def id(self) -> str:
        """The id of the run that goes on from there: who resumes the same run twice gets the same one."""
        return f"{self.original}.r{self.number}"


class RunInput(Value):
    """Starts a run, and continues it.

    Attributes:
        agent: The agent's name.
        task: What is asked.
        context: Who asks, and what else is known.
        limits: This run's own limits.
        plan: Whether it begins with a plan; None as the agent says.
        carried: Where it stands, in every run of the chain but the first, and where it resumes another.
        resumed: From where it goes on, where it resumes another run.
    """

    agent: str = ""
    task: str = ""
    context: RunContext = RunContext()
    limits: LimitChanges | None = None
    plan: bool | None = None
    carried: Carried | None = None
    resumed: Resumed | None = None

    @property
    def begins(self) -> bool:
        """Whether it is the first run of its chain."""
        return self.carried is None or bool(self.carried.pinned_at)

    @property
    def said_bytes(self) -> int:
        """What the model is told at the start: the task and the earlier conversation, in bytes of UTF-8."""
        earlier = sum(utf8_size(message.model_dump_json()) for message in self.context.earlier)
        return utf8_size(self.task) + earlier

    @property
    def first_head(self) -> str:
        """The head of a transcript before any turn: it stands for who asked, what preceded the task, and the task."""
        context = self.context
        earlier = "".join(message.model_dump_json() for message in context.earlier)
        return chained("", content_id(f"{context.tenant}/{context.user}"), content_id(earlier), content_id(self.task))


class RequestMemo(Value):
    """What a run's memo says of its request, so that a client can tell the same request from another.

    Attributes:
        agent: The agent.
        digest: Over agent, user, task, earlier conversation and limits.
        task: The task, cut to one line.
        resumed: The run that it resumes; empty where it resumes none.
    """

    agent: str
    digest: str
    task: str = ""
    resumed: str = ""

    @classmethod
    def of(cls, given: RunInput) -> RequestMemo:
        """What stands for a request."""
        context = given.context
        asked: JsonValue = {
            "agent": given.agent,
            "user": context.user,
            "tenant": context.tenant,
            "task": given.task,
            "earlier": [message.model_dump(mode="json") for message in context.earlier],
            "limits": given.limits.model_dump(mode="json", exclude_none=True) if given.limits else {},
        }
        resumed = given.resumed.run if given.resumed else ""
        return cls(agent=given.agent, digest=sha256(canonical(asked))[:32], resumed=resumed)


def unacceptable(given: RunInput) -> RunError | None:
    """Why a run can't be started with this input, None where it can."""
    if not given.agent:
        return RunError(kind=ErrorKind.CONFIGURATION, message="the input names no agent")
    if not given.task.strip():
        return RunError(kind=ErrorKind.CONFIGURATION, message="the task is empty; say what is to be done")
    size = len(given.task.encode("utf-8", "surrogatepass"))
    if size > MAX_TASK_BYTES:
        return RunError(
            kind=ErrorKind.TOO_LARGE,
            message=f"the task is {size // 1024:,} KiB, more than {MAX_TASK_BYTES // 1024} KiB; "
            "put the material where a tool can read it, and name it in the task",
        )
    try:
        metadata = len(canonical(given.context.metadata).encode("utf-8", "surrogatepass"))
        whole = len(given.model_dump_json(exclude={"carried", "resumed"}, exclude_defaults=True).encode())
    except (PydanticSerializationError, ValueError) as error:
        message = f"the run's input can't be written as JSON: {one_line(str(error))}"
        return RunError(kind=ErrorKind.CONFIGURATION, message=message)
    if why := unscopable(given.context.user, given.context.tenant):
        return RunError(kind=ErrorKind.CONFIGURATION, message=why)
    if metadata > MAX_METADATA_BYTES:
        return RunError(
            kind=ErrorKind.TOO_LARGE,
            message=f"the metadata is {metadata // 1024:,} KiB, more than {MAX_METADATA_BYTES // 1024} KiB: every tool "
            "call gets it; put the material where a tool can read it",
        )
    if whole > MAX_INPUT_BYTES:
        return RunError(
            kind=ErrorKind.TOO_LARGE,
            message=f"task, earlier conversation and metadata are {whole // 1024:,} KiB, more than "
            f"{MAX_INPUT_BYTES // 1024} KiB; shorten the earlier conversation",
        )
    return None
