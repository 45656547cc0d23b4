"""Whether budgets fit the app: caps and roles that concern nobody who is there."""

from __future__ import annotations

from collections.abc import Iterable

from tether.budget.config import Budgets
from tether.budget.scope import Scope
from tether.policy.source import Problem, instead


def problems(budgets: Budgets, agents: Iterable[str]) -> list[Problem]:
    """What is worth a look in budgets for an app with agents of these names: warnings, in the order of the lines."""
    found = _unknown_agents(budgets, tuple(agents)) + _unknown_teams(budgets) + _nobody_overrides(budgets)
    return sorted(found, key=lambda problem: problem.line)


def _unknown_agents(budgets: Budgets, agents: tuple[str, ...]) -> list[Problem]:
    return [
        _warning(budgets, f"caps: no agent is named {scope.name!r} here; {instead(scope.name, agents)}", written)
        for written, scope in _capped(budgets)
        if scope.kind == "agent" and scope.name not in agents
    ]


def _unknown_teams(budgets: Budgets) -> list[Problem]:
    known = {str(team) for team in budgets.team_scopes()}
    return [
        _warning(budgets, f"caps: nobody is in {scope}; list its members in `teams:`", written)
        for written, scope in _capped(budgets)
        if scope.kind == "team" and str(scope) not in known
    ]


def _nobody_overrides(budgets: Budgets) -> list[Problem]:
    if budgets.overrides is None or not (wanted := set(budgets.overrides.roles)):
        return []
    if any(wanted & set(roles) for roles in budgets.people.values()):
        return []
    message = "overrides: nobody in people: has one of these roles, so nobody could raise a cap; give one to somebody"
    return [Problem(severity="warning", line=budgets.source.line("overrides", "roles"), message=message)]


def _capped(budgets: Budgets) -> list[tuple[str, Scope]]:
    return [(written, Scope.parse(written)) for written in budgets.caps]


def _warning(budgets: Budgets, message: str, written: str) -> Problem:
    return Problem(severity="warning", line=budgets.source.line("caps", written), message=message)
