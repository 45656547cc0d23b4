"""The scripted model: no model, but a page of rules that speaks a provider's wire format, and says so in all it says.

It decides by the conversation that it is sent, and by nothing else: asked again after a crash, it answers the same.
"""

import json
import re
from typing import Any, NamedTuple

from tether.testing.wire import Reply, Request, ScriptedCall, ScriptedUsage

LABEL = "[scripted model]"
CHARACTERS_A_TOKEN = 4
"""The usage that it claims is an estimate: a token for so many characters."""

PAUSE = 0.03
"""Seconds between the pieces of an answer, so that it streams as a model's does."""

_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_ORDER = re.compile(r"\b\d{4}\b")
_MONEY_BACK = re.compile(r"refund|money back|broken|damaged|cracked", re.IGNORECASE)
_HOW_TO_ASK = (
    "I know a few sentences by rote. Ask me about an order, as in 'Where is order 1044?', or for money back, as in "
    "'ada@example.com writes that order 1042 arrived broken. Refund what our policy allows.'"
)


class Asked(NamedTuple):
    """A call of an earlier turn, and what came of it."""

    tool: str
    arguments: dict[str, Any]
    result: str

    @property
    def cents_back(self) -> int | None:
        """What a refund gave back; None where it gave nothing back.

        The result stands in the last line: a note precedes it where a person changed the arguments.
        """
        cents = _json(self.result.rpartition("\n")[2]).get("cents")
        return cents if isinstance(cents, int) else None


def reply_to(request: Request) -> Reply:
    """What the scripted model says to a request."""
    said = _plan(request) if request.output_schema and not request.tools else _turn(request)
    written = len(said.text) + sum(len(call.raw_arguments) for call in said.calls)
    usage = ScriptedUsage(input=len(request.body) // CHARACTERS_A_TOKEN, output=max(1, written // CHARACTERS_A_TOKEN))
    return Reply(text=said.text, calls=said.calls, usage=usage, pause=PAUSE)


def _plan(request: Request) -> Reply:
    wanted = Wanted.of(request.user_text)
    steps: list[tuple[str, str | None]] = []
    if wanted.email and wanted.order:
        steps += [("Find the customer.", "look_up_customer"), ("Find the orders.", "look_up_orders")]
    if wanted.order:
        steps.append(("Look at the order.", "look_up_order"))
    if wanted.order and wanted.refund:
        steps += [("Read what may be given back.", "read_refund_policy"), ("Give the money back.", "refund_order")]
    steps.append(("Answer the customer.", None))
    listed: list[dict[str, Any]] = [
        {"id": str(number), "what": what, "tool": tool, "depends_on": []}
        for number, (what, tool) in enumerate(steps, start=1)
    ]
    listed[0]["what"] = f"{LABEL} {listed[0]['what']}"
    return Reply(text=json.dumps({"steps": listed}))


def _turn(request: Request) -> Reply:
    wanted = Wanted.of(request.conversation.user_texts[0] if request.conversation.user_texts else "")
    asked = _asked(request)
    done = {call.tool for call in asked}
    if not wanted.order:
        return _says(_HOW_TO_ASK)
    if wanted.email and "look_up_customer" not in done:
        return _calls(
            "Who is it, and what did they order?",
            ScriptedCall("look_up_customer", {"email": wanted.email}),
            ScriptedCall("look_up_orders", {"email": wanted.email}),
        )
    if not wanted.refund:
        return _about(wanted.order, asked)
    if "read_refund_policy" not in done:
        return _calls(
            "What is the order, and what does the policy say of damaged goods?",
            ScriptedCall("look_up_order", {"order_id": wanted.order}),
            ScriptedCall("read_refund_policy", {"reason": "damaged"}),
        )
    return _refund(wanted.order, asked)


def _refund(order: str, asked: list[Asked]) -> Reply:
    paid = _found(asked).get("paid_cents")
    tries = [call for call in asked if call.tool == "refund_order"]
    if paid is None:
        return _says(f"I can find no order {order}, so there is nothing to give back.")
    if not tries:
        # Wrong on purpose, as models are: the tool wants a whole number of cents.
        wrong = {"order_id": order, "cents": f"{paid / 100:.2f}"}
        return _calls("The policy allows all of it.", ScriptedCall("refund_order", wrong))
    last = tries[-1]
    if last.cents_back is not None:
        back = f"{last.cents_back / 100:.2f}"
        return _says(f"We have given back {back} for order {order}, and the item is yours to keep. Sorry!")
    if "invalid arguments" in last.result and len(tries) == 1:
        return _calls("The amount goes in cents.", ScriptedCall("refund_order", {"order_id": order, "cents": paid}))
    return _says(f"I could not give money back for order {order}: {last.result}")


def _about(order: str, asked: list[Asked]) -> Reply:
    if not any(call.tool == "look_up_order" for call in asked):
        return _calls("Let me look.", ScriptedCall("look_up_order", {"order_id": order}))
    found = _found(asked)
    if not found:
        return _says(f"There is no order {order}.")
    days = found.get("days_since_delivery")
    where = "is on its way" if days is None else f"was delivered {days} days ago"
    return _says(f"Order {order}, the {found.get('item')}, {where}.")


class Wanted(NamedTuple):
    """What can be read from a task."""

    email: str
    order: str
    refund: bool

    @classmethod
    def of(cls, task: str) -> "Wanted":
        """Read a task."""
        email, order = _EMAIL.search(task), _ORDER.search(task)
        return cls(email[0] if email else "", order[0] if order else "", bool(_MONEY_BACK.search(task)))


def _asked(request: Request) -> list[Asked]:
    results = {result.call_id: result.text for result in request.tool_results}
    return [Asked(call.name, _json(call.arguments), results.get(call.id, "")) for call in request.calls]


def _found(asked: list[Asked]) -> dict[str, Any]:
    """The order, as the last look at it gave it; empty where there is none."""
    looked = [call for call in asked if call.tool == "look_up_order"]
    return _json(looked[-1].result) if looked else {}


def _json(text: str | dict[str, Any]) -> dict[str, Any]:
    try:
        found = json.loads(text) if isinstance(text, str) else text
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _says(text: str) -> Reply:
    return Reply(text=f"{LABEL} {text}")


def _calls(why: str, *calls: ScriptedCall) -> Reply:
    return Reply(text=f"{LABEL} {why}", calls=calls)
