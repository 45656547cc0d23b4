"""What the scripted model has really done for those who asked, as the provider's own books would have it."""

from dataclasses import dataclass

from tether.testing.wire.faults import CutStream, ErrorInStream, Stall
from tether.testing.wire.replies import Reply, ScriptedUsage
from tether.testing.wire.requests import Request
from tether.testing.wire.script import Answer


@dataclass(frozen=True)
class Served:
    """A reply that went out, or that was on its way when its connection ended.

    Attributes:
        request: What was asked.
        usage: What the whole reply takes, as the provider would bill it: one that was cut counts as if it were whole.
        whole: Whether all of it was sent; that the client has read it is not said.
    """

    request: Request
    usage: ScriptedUsage
    whole: bool


def served(request: Request, answer: Answer, *, sent: bool) -> Served | None:
    """What an answer takes; None for one that no provider bills: an error in place of a reply, or no reply at all.

    Args:
        request: What was asked.
        answer: As the script has it.
        sent: Whether it was sent to its end.
    """
    if isinstance(answer, Reply):
        return Served(request, answer.usage, sent)
    if isinstance(answer, Stall):
        return Served(request, answer.reply.usage, sent)
    if isinstance(answer, CutStream) or (isinstance(answer, ErrorInStream) and request.streamed):
        return Served(request, answer.reply.usage, whole=False)
    return None
