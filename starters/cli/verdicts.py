"""What a policy says of a call: asked in advance, or read from a run's record; and how that reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pydantic import JsonValue
from rich.console import Group, RenderableType
from rich.text import Text

from tether.adapters.settings import Settings
from tether.agent import App
from tether.context import DEFAULT_ROLE
from tether.contract import ToolContract, placeholders
from tether.gate import rules_of
from tether.permits import Terms
from tether.policy.explain import Explanation, RuleFindings, explain
from tether.policy.facts import Caller, CallFacts
from tether.policy.match import ANYTHING, any_matches
from tether.policy.permit import permit
from tether.policy.pinned import PinnedPolicy
from tether.policy.rules import Policy
from tether.policy.source import instead
from tether.policy.units import duration_words
from tether.record import CallRecord, Record
from tether.starters.cli.inputs import UsageFailed, arguments
from tether.starters.cli.terminal import note, styled
from tether.steps import steps_of
from tether.value import Value

_STYLES = {"allow": "bold green", "ask": "bold yellow", "deny": "bold red"}

_ANYBODY = "asked of anybody but the requester and the starter"

MAX_NEAR = 3
"""Rules that are marked as having come close."""

Decision = tuple[str, Explanation, Terms | None]
"""A title, what was decided and why, and on which terms people are asked."""


class Question(Value):
    """A call that isn't made, as it was typed; what is None wasn't."""

    tool: str
    arguments: tuple[str, ...] = ()
    resource: str | None = None
    owner: str | None = None
    roles: tuple[str, ...] | None = None
    user: str
    tenant: str
    agent: str = ""
    environment: str | None = None
    task_type: str = ""


def answered(policy: PinnedPolicy, served: App, question: Question) -> tuple[Explanation, Terms | None]:
    """What a policy would decide.

    Raises:
        UsageFailed: The App has no such tool or agent, or the tool no such argument.
    """
    agent, contract = _tool(served, question)
    given = _defaults(contract) | arguments("--arg", question.arguments, contract)
    missing = [each for each in placeholders(contract.resource) if each not in given]
    if question.resource is None and missing:
        note(f"what the call is about ({contract.resource}) isn't known: give --resource, or --arg {missing[0]}=…")
    resource = question.resource or ("" if missing else contract.resource_of(given))
    owner = _owner(contract, given) if question.owner is None else question.owner
    if owner is None:
        note(f"whose {resource or contract.resource or 'it'} is isn't known here: give --owner ID")
    facts = CallFacts(contract=contract, arguments=given, resource=resource, owner=owner)
    environment = Settings.load().environment if question.environment is None else question.environment
    caller = Caller(
        user=question.user,
        tenant=question.tenant,
        agent=agent,
        environment=environment,
        task_type=question.task_type,
    )
    decided = permit(policy, caller, facts, roles=question.roles)
    return explain(policy, caller, facts, decided, roles=question.roles), decided.terms


def unknown_roles(policy: Policy, roles: Iterable[str]) -> list[str]:
    """What to tell of roles that were asked about, and that a policy knows nothing of."""
    patterns = [pattern for rule in policy.rules for pattern in rule.role or () if pattern != ANYTHING]
    held = [role for has in policy.people.values() for role in has]
    known = [*held, *policy.roles, *(pattern for pattern in patterns if not pattern.endswith(ANYTHING)), DEFAULT_ROLE]
    return [
        f"no rule and no person of this policy names the role {role!r}; {instead(role, known)}"
        for role in roles
        if role not in known and not any_matches(patterns, role)
    ]


def decided_call(record: Record, step: str) -> CallRecord:
    """The call that a person named by its step's number or its id.

    Raises:
        UsageFailed: There is none.
    """
    calls = {call_id: call for turn in record.turns.values() for call_id, call in turn.calls.items()}
    steps = steps_of(record)
    wanted = step
    if step.isdecimal() and 0 < int(step) <= len(steps):
        found = steps[int(step) - 1]
        if not found.call:
            raise UsageFailed(f"step {step} is no call ({found.action}): only calls of tools are decided about")
        wanted = found.call
    if wanted not in calls:
        there_are = f"steps 1 to {len(steps)}" if steps else "no steps yet"
        raise UsageFailed(f"{record.run} has no step or call {step[:40]!r}; there are {there_are}, {_listed(calls)}")
    return calls[wanted]


def explained(record: Record, call: CallRecord) -> tuple[PinnedPolicy, list[Decision]]:
    """What was decided about a call, as it was made and as a person edited it; the policy that decided.

    Raises:
        UsageFailed: Nothing was decided about it: it couldn't be executed at all.
    """
    rules = rules_of(record)
    contract = record.manifest.tool(call.decided.tool) if record.manifest else None
    if call.decided.permit is None or contract is None:
        why = call.decided.problem.message if call.decided.problem else "no decision was recorded, so it was denied"
        raise UsageFailed(f"no rule was asked about {call.decided.id} ({call.decided.tool}): {why}")
    told = []
    for title, decided in (("", call.decided), ("as a person edited it", call.edited)):
        if decided and decided.permit:
            shown = decided.arguments if decided.arguments is not None else _written(record, call)
            facts = CallFacts(contract=contract, arguments=shown, resource=decided.resource, owner=decided.owner)
            head = " · ".join(part for part in (f"{decided.id} {decided.tool}", decided.resource, title) if part)
            told.append((head, explain(rules.policy, rules.caller, facts, decided.permit), decided.permit.terms))
    return rules.policy, told


def verdict_lines(
    explanation: Explanation, policy: PinnedPolicy, terms: Terms | None = None, *, title: str = ""
) -> RenderableType:
    """The verdict, the rule that decided and where it stands, and why the others didn't.

    Args:
        explanation: What was found.
        policy: That which decided.
        terms: On which people are asked, where they are.
        title: What it is about.
    """
    place = f" ({policy.name}:{explanation.line})" if explanation.line else ""
    reason = f": {explanation.reason}" if explanation.reason else ""
    lines = [styled(title, "bold")] if title else []
    verdict = styled(explanation.verdict, _STYLES[explanation.verdict])
    lines.append(Text.assemble(verdict, styled(f"  by {explanation.rule!r}{place}{reason}")))
    if explanation.verdict == "ask" and terms:
        lines.append(styled(f"     {_asked(terms)}"))
    lines.append(styled(f"     the user's roles: {', '.join(explanation.roles) or 'none'}", "dim"))
    near = {found.name for found in explanation.near[:MAX_NEAR]}
    lines += [line for found in explanation.rules for line in _rule(found, policy, near=found.name in near)]
    return Group(*lines)


def _tool(served: App, question: Question) -> tuple[str, ToolContract]:
    if question.agent and question.agent not in served.agents:
        raise UsageFailed(f"--agent: no agent is named {question.agent!r}; {instead(question.agent, served.agents)}")
    agents = [each for name, each in served.agents.items() if question.agent in {"", name}]
    having = [(each.name, item.contract) for each in agents for item in each.tools if item.name == question.tool]
    if not having:
        others = [name for name, each in served.agents.items() if question.tool in {item.name for item in each.tools}]
        if others:
            have = "has" if len(others) == 1 else "have"
            raise UsageFailed(
                f"--tool: agent {question.agent!r} has no tool {question.tool!r}; {' and '.join(others)} {have} it"
            )
        known = [item.name for each in agents for item in each.tools]
        raise UsageFailed(f"--tool: no tool is named {question.tool!r}; {instead(question.tool, known)}")
    if len(having) > 1:
        raise UsageFailed(
            f"several agents have the tool {question.tool!r}; say which by --agent: {', '.join(n for n, _ in having)}"
        )
    return having[0]


def _owner(contract: ToolContract, given: dict[str, JsonValue]) -> str | None:
    """Whose the call's resource is; None where only a worker can find it out, or it can't be found out."""
    return None if contract.resolves_owner else contract.owner_of(given)


def _defaults(contract: ToolContract) -> dict[str, JsonValue]:
    """The arguments that a call has, though the model leaves them out."""
    properties = contract.parameters.get("properties")
    listed = properties.items() if isinstance(properties, dict) else ()
    return {name: schema["default"] for name, schema in listed if isinstance(schema, dict) and "default" in schema}


def _written(record: Record, call: CallRecord) -> dict[str, JsonValue]:
    """The arguments as the model wrote them."""
    for turn in record.turns.values():
        message = turn.result.message if turn.result else None
        for block in message.calls() if message else ():
            if block.id == call.decided.id and block.arguments is not None:
                return dict(block.arguments)
    return {}


def _listed(calls: dict[str, CallRecord]) -> str:
    ids = list(calls)
    return f"calls {ids[0]} to {ids[-1]}" if len(ids) > 1 else f"call {ids[0]}" if ids else "no calls"


def _asked(terms: Terms) -> str:
    who = f"asked of {' or '.join(terms.roles)}" if terms.roles else _ANYBODY
    people = f" ({', '.join(terms.approvers) or 'nobody has that role'})" if terms.roles else ""
    starter = ", or of the starter" if terms.starter_may_approve else ""
    end = "denied" if terms.at_deadline == "deny" else "ALLOWED"
    return f"{who}{people}{starter}; after {duration_words(terms.deadline_ms)} without an answer it is {end}"


def _rule(found: RuleFindings, policy: PinnedPolicy, *, near: bool) -> Iterator[Text]:
    place = f"{policy.name}:{found.line}, " if found.line else ""
    mark, style = ("→", "bold") if found.decided else ("~", "yellow") if near else (" ", "dim")
    said = "; ".join(found.failed) or ("decided" if found.decided else "matches too, but didn't decide")
    yield styled(f"  {mark} {found.name} ({place}{found.then}): {said}", style)
    for remark in found.notes:
        yield styled(f"      {remark}", "dim")
