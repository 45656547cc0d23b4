"""What the tests of policies are made of: contracts, calls, and strategies that make policies."""

from typing import Any

from hypothesis import strategies as st
from pydantic import JsonValue

from tether.contract import Effect, ToolContract
from tether.policy.facts import Caller, CallFacts
from tether.policy.rules import Policy

ORDER: dict[str, JsonValue] = {
    "type": "object",
    "properties": {
        "order_id": {"type": "string"},
        "cents": {"type": "integer"},
        "customer": {"$ref": "#/$defs/customer"},
        "url": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "mode": {"enum": ["short", "full"], "type": "string"},
    },
    "additionalProperties": False,
    "$defs": {"customer": {"type": "object", "properties": {"country": {"type": "string"}}}},
}


def contract(name: str = "refund_order", *, effect: Effect = "keyed", **labels: Any) -> ToolContract:
    """A tool about an order, which names its owner."""
    given = {"resource": "order:{order_id}", "resolves_owner": True, "parameters": ORDER, **labels}
    return ToolContract(name=name, description="", effect=effect, **given)


def call(tool: ToolContract, owner: str | None = "", **arguments: JsonValue) -> CallFacts:
    """A call of the tool."""
    return CallFacts(contract=tool, arguments=arguments, resource=tool.resource_of(arguments), owner=owner)


TOOLS = [
    contract("read_order", effect="read"),
    contract("write_order", effect="idempotent"),
    contract("delete_order", effect="unsafe", requires_approval=True),
    contract("send_mail", effect="unsafe", resource="", resolves_owner=False),
]

roles = st.sampled_from(["user", "admin", "lead"])
callers = st.builds(
    Caller,
    user=st.sampled_from(["u-1", "u-2", "u-3"]),
    tenant=st.sampled_from(["acme", "other"]),
    agent=st.sampled_from(["desk", "clerk"]),
    environment=st.sampled_from(["prod", "test"]),
    task_type=st.sampled_from(["", "mail"]),
)
arguments = st.fixed_dictionaries(
    {"order_id": st.sampled_from(["1", "22"])},
    optional={
        "cents": st.one_of(st.none(), st.integers(0, 20), st.just("5"), st.booleans()),
        "customer": st.one_of(
            st.none(), st.just({}), st.fixed_dictionaries({"country": st.sampled_from(["de", "fr"])})
        ),
    },
)
calls = st.builds(
    lambda tool, owner, given: call(tool, owner if tool.resolves_owner else "", **given),
    st.sampled_from(TOOLS),
    st.sampled_from(["", "u-1", "u-2", None]),
    arguments,
)


def _some(*patterns: str) -> st.SearchStrategy[Any]:
    one = st.sampled_from(patterns)
    return st.one_of(one, st.lists(one, min_size=1, max_size=2, unique=True))


whens = st.fixed_dictionaries(
    {},
    optional={
        "effect": _some("read", "unsafe"),
        "agent": _some("desk", "c*"),
        "environment": _some("prod"),
        "tenant": _some("acme", "o*"),
        "task_type": _some("mail"),
        "args": st.fixed_dictionaries(
            {},
            optional={
                "cents": st.sampled_from([5, [1, 2], {"at_most": 9}, {"more_than": 3, "less_than": 12}]),
                "customer.country": st.sampled_from(["de", {"not_in": ["fr"]}, {"like": "d*"}, {"matches": "[df].*"}]),
                "amount": st.just({"at_most": 1}),
            },
        ),
    },
)
rules = st.fixed_dictionaries(
    {"then": st.sampled_from(["allow", "deny", "ask"])},
    optional={
        "role": _some("user", "admin", "l*", "*"),
        "tool": _some("read_*", "write_order", "delete_*", "send_mail", "*"),
        "resource": _some("*", "order:*", "order:1", "own:*", "own:order:2*", "mail:*"),
        "when": whens,
        "reason": st.sampled_from(["Because.", ""]),
    },
)
allow_lists = st.lists(st.sampled_from(["read_*", "write_order", "*"]), max_size=2, unique=True)
policies_as_data = st.fixed_dictionaries(
    {"rules": st.lists(rules, min_size=1, max_size=6)},
    optional={
        "people": st.dictionaries(
            st.sampled_from(["u-1", "u-2", "acme/u-1"]), st.lists(roles, max_size=2, unique=True), max_size=3
        ),
        "ask": st.just({"approvers": ["lead"], "deadline": "30m", "at_deadline": "allow"}),
        "allow_lists": st.fixed_dictionaries(
            {},
            optional={
                "agents": st.dictionaries(st.sampled_from(["desk"]), allow_lists),
                "users": st.dictionaries(st.sampled_from(["u-1", "acme/u-1"]), allow_lists),
            },
        ),
    },
)
policies = policies_as_data.map(Policy.model_validate)
