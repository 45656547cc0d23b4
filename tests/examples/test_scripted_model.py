import json

import pytest

from examples.support_desk.model import BY_KEY, SCRIPTED, SCRIPTED_PRICE, choose, model_for
from examples.support_desk.scripted_model import LABEL, reply_to
from tether.adapters.providers.pricing import GenaiPrices
from tether.reply import read_plan
from tether.testing.wire import Reply, Request

ORDER = {"id": "1042", "customer_id": "k-1", "item": "teapot", "paid_cents": 1250, "days_since_delivery": 4}
RESULTS = {
    "look_up_customer": json.dumps({"id": "k-1"}),
    "look_up_orders": json.dumps([ORDER]),
    "look_up_order": json.dumps(ORDER),
    "read_refund_policy": "The full price back.",
}


def asked(task: str, *said: dict[str, object], planning: bool = False) -> Request:
    """A request as OpenAI's SDK would send it."""
    body: dict[str, object] = {"model": "scripted", "input": [{"role": "user", "content": task}, *said]}
    if planning:
        body["text"] = {"format": {"type": "json_schema", "schema": {"type": "object"}}}
    else:
        body["tools"] = [{"type": "function", "name": name} for name in (*RESULTS, "refund_order")]
    return Request("POST", "/v1/responses", {}, json.dumps(body).encode(), 0.0, "openai-responses")


def conversation(task: str) -> list[Reply]:
    """All that it says until it answers; the refund fails once, over its arguments, then succeeds."""
    said: list[dict[str, object]] = []
    replies = [reply_to(asked(task))]
    while replies[-1].calls:
        for call in replies[-1].calls:
            number = f"call_{len(said)}"
            said.append(
                {"type": "function_call", "call_id": number, "name": call.name, "arguments": call.raw_arguments}
            )
            said.append(
                {"type": "function_call_output", "call_id": number, "output": result(call.raw_arguments, call.name)}
            )
        replies.append(reply_to(asked(task, *said)))
    return replies


def result(arguments: str, tool: str) -> str:
    """What a call leads to."""
    if tool != "refund_order":
        return RESULTS[tool]
    good = isinstance(json.loads(arguments)["cents"], int)
    return json.dumps({"id": 1}) if good else "Error: invalid arguments for refund_order: cents: not an integer"


def test_a_refund_takes_two_calls_at_once_and_a_corrected_argument() -> None:
    """The demo's story: two look-ups in one turn, the policy, a refund with a bad amount, the same corrected."""
    replies = conversation("ada@example.com writes that order 1042 arrived broken. Refund it.")
    tools = [[call.name for call in reply.calls] for reply in replies]
    assert tools == [
        ["look_up_customer", "look_up_orders"],
        ["look_up_order", "read_refund_policy"],
        ["refund_order"],
        ["refund_order"],
        [],
    ]
    amounts = [json.loads(reply.calls[0].raw_arguments)["cents"] for reply in replies[2:4]]
    assert amounts == ["12.50", 1250]


@pytest.mark.parametrize("task", ["Where is order 1042?", "Hello", "ada@example.com wants a refund for order 1042"])
def test_everything_it_says_is_labelled(task: str) -> None:
    """Each text of it says that a scripted model speaks."""
    assert [reply.text for reply in conversation(task) if not reply.text.startswith(LABEL)] == []


@pytest.mark.parametrize("task", ["Where is order 1042?", "Hello", "ada@example.com: order 1042 came broken"])
def test_its_plan_can_be_read(task: str) -> None:
    """Asked for a plan, it gives one that Tether reads, and labels it."""
    plan, problem = read_plan(reply_to(asked(task, planning=True)).text)
    assert plan, problem
    assert LABEL in plan.text()


def test_asked_again_it_says_the_same() -> None:
    """It decides by the conversation alone, so that a repeated attempt gets the same answer."""
    request = asked("ada@example.com writes that order 1042 arrived broken.")
    assert reply_to(request) == reply_to(request)


def test_a_key_chooses_its_provider() -> None:
    """With a provider's key its model is used, with none the scripted one, and what is named wins over both."""
    for variable, model in BY_KEY.items():
        assert model_for({variable: "a key"}) == model
    assert model_for({}) == SCRIPTED
    assert model_for({"OPENAI_API_KEY": "a key", "SUPPORT_DESK_MODEL": "anthropic:other"}) == "anthropic:other"


def test_every_model_has_a_price(monkeypatch: pytest.MonkeyPatch) -> None:
    """The providers' models are listed; only the scripted one states a price, which is made up."""
    assert all(GenaiPrices().of(model) for model in BY_KEY.values())
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    for model, price in {SCRIPTED: SCRIPTED_PRICE, **dict.fromkeys(BY_KEY.values())}.items():
        monkeypatch.setenv("SUPPORT_DESK_MODEL", model)
        assert (choose().name, choose().price) == (model, price)
