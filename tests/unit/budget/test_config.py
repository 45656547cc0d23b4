"""Budgets as they are written: what holds for whom, and how every mistake is told."""

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from tether.actors import Actor
from tether.budget.check import problems
from tether.budget.config import Budgets, CapRule
from tether.budget.config_load import BudgetsError, parse_budgets
from tether.budget.scope import Scope
from tether.errors import DeclarationError

DEFAULTS: dict[str, Any] = {"user": "20.00", "team": "refuse", "tenant": "refuse", "agent": "uncapped"}

WHOLE = """\
version: 1
time_zone: Europe/Berlin
defaults: {user: "20.00", team: refuse, tenant: refuse, agent: uncapped}
caps:
  tenant:default: "500.00"
  tenant:acme: {cap: "100.00", time_zone: America/New_York}
  user:u-17: 50
  user:acme/u-3: refuse
teams: {support: [u-17, u-18], acme/support: [u-3], ops: acme/u-4}
overrides: {roles: [finance], most: "1000.00"}
people: {u-40: [finance], acme/u-41: finance}
notify_at: [100, 50, 80, 50]
"""


def refused(text: str) -> list[str]:
    """The complaints about a text, each with its place."""
    with pytest.raises(BudgetsError) as caught:
        parse_budgets(text, "budgets.yaml")
    return str(caught.value).splitlines()


def test_whole_budgets_are_read() -> None:
    """Every key there is, and what follows for each scope."""
    budgets = parse_budgets(WHOLE, "budgets.yaml")
    rules = {
        "tenant:default": CapRule(limit=500_000_000, time_zone="Europe/Berlin", named=True),
        "tenant:acme": CapRule(limit=100_000_000, time_zone="America/New_York", named=True),
        "user:u-17": CapRule(limit=50_000_000, time_zone="Europe/Berlin", named=True),
        "user:default/u-17": CapRule(limit=50_000_000, time_zone="Europe/Berlin", named=True),
        "user:acme/u-3": CapRule(limit="refuse", time_zone="Europe/Berlin", named=True),
        "user:u-3": CapRule(limit=20_000_000, time_zone="Europe/Berlin"),
        "team:support": CapRule(limit="refuse", time_zone="Europe/Berlin"),
        "agent:desk": CapRule(limit="uncapped", time_zone="Europe/Berlin"),
    }
    assert {scope: budgets.rule_for(scope) for scope in rules} == rules
    assert budgets.rule_for(Scope(kind="user", name="u-17")).limit == 50_000_000
    assert budgets.notify_at == (50, 80, 100)


def test_a_user_is_in_the_team_of_their_own_tenant() -> None:
    """Users of the same id in two tenants are two people, and so are teams of the same name."""
    budgets = parse_budgets(WHOLE, "budgets.yaml")
    asked = [("u-17", "default"), ("u-17", "acme"), ("u-3", "acme"), ("u-3", "default"), ("u-4", "acme")]
    assert [budgets.team_of(user, tenant) for user, tenant in asked] == ["support", "", "support", "", "ops"]
    assert [str(team) for team in budgets.team_scopes()] == ["team:acme/ops", "team:acme/support", "team:support"]


@pytest.mark.parametrize(
    ("by", "amount", "why"),
    [
        (Actor(id="u-40"), 1_000_000_000, None),
        (Actor(id="u-40", tenant="acme"), 1, None),
        (Actor(id="u-41", tenant="acme"), 1, None),
        (Actor(id="u-41"), 1, "u-41 may not raise budgets; it takes finance"),
        (Actor(id="u-17", roles=("finance",)), 1, "u-17 may not raise budgets; it takes finance"),
        (Actor(id=" "), 1, "an override needs `by`"),
        (Actor(id="u-40"), 1_000_000_001, "$1000.00 is more than one override may add ($1000.00)"),
    ],
)
def test_who_may_override(by: Actor, amount: int, why: str | None) -> None:
    """People whom the file gives the role, whatever they claim; and only so much at once."""
    found = parse_budgets(WHOLE, "budgets.yaml").may_override(by, amount)
    assert found is None if why is None else (found or "").startswith(why)


def test_without_overrides_nobody_may() -> None:
    """It isn't silently allowed."""
    found = Budgets(defaults=DEFAULTS, people={"u-40": "finance"}).may_override(Actor(id="u-40"))
    assert found
    assert "nobody may set or raise a cap here" in found


def test_the_policys_people_count_too() -> None:
    """Roles of both listings are joined, and the rest stays as it was."""
    budgets = parse_budgets(WHOLE, "budgets.yaml")
    merged = budgets.with_people({"u-9": ("finance",), "u-40": ("admin",)})
    assert merged.people["u-40"] == ("finance", "admin")
    assert merged.may_override(Actor(id="u-9")) is None
    assert merged.rule_for("tenant:acme") == budgets.rule_for("tenant:acme")
    assert merged.source == budgets.source


def test_budgets_that_were_kept_as_json_say_the_same() -> None:
    """The store keeps what the workers' App says: amounts are dollars there too, not counted twice."""
    budgets = parse_budgets(WHOLE, "budgets.yaml")
    kept = Budgets.model_validate_json(budgets.model_dump_json())
    assert kept.model_dump() == budgets.model_dump()
    assert kept.rule_for("tenant:acme") == budgets.rule_for("tenant:acme")
    assert kept.team_of("u-3", "acme") == "support"


@pytest.mark.parametrize("written", ["50", "50.00", 50, Decimal(50), Decimal("50.0")])
def test_amounts_are_dollars(written: Any) -> None:
    """As text, whole number or Decimal."""
    assert Budgets(defaults={**DEFAULTS, "user": written}).rule_for("user:x").limit == 50_000_000


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        ('"5 EUR"', "'5 EUR': amounts are US dollars, written without a currency, like '50.00'"),
        ('"€5"', "'€5': amounts are US dollars"),
        ('"$5"', "'$5': amounts are US dollars"),
        ('"5,00"', "'5,00' is not an amount of dollars; write it like '50.00'"),
        ("five", "'five' is no cap; write dollars like '50.00', or one of refuse, uncapped"),
        ("unlimited", "'unlimited' is no cap"),
        ('"-5"', "'-5' is less than nothing; write an amount of dollars like '50.00'"),
        ("-5", "-5 is less than nothing"),
        ("0", "an amount of 0 is no money at all; a cap that lets nothing be spent is written refuse"),
        ('"0.00"', "an amount of 0 is no money at all"),
        ('"0.0000001"', "'0.0000001' is finer than a micro-dollar (0.000001)"),
        ('"1.0000000000000000000000000000001"', "'1.0000000000000000000000000000001' is not an amount"),
        ("20.00", "write it in quotes, as in '20.00': a number with a point can't hold cents exactly"),
        ("1000000001", "1000000001 is not an amount between 0 and 1,000,000,000 dollars"),
        ('"1e3"', "'1e3' is no amount as people write it; write it out, like '50.00'"),
        ('"1_000"', "'1_000' is not an amount"),
        ("true", "True is not an amount"),
        ("[5]", "[5] is not an amount"),
        ("", "nothing is written here"),
        ("!x 5", "'5' can't be used as '!x'"),
    ],
)
def test_a_strange_amount_is_refused(written: str, complaint: str) -> None:
    """In words that say what would be right."""
    first = refused(f"defaults: {{user: '1', team: '1', tenant: '1', agent: '1'}}\ncaps:\n  user:x: {written}\n")[0]
    assert first.startswith("budgets.yaml:3: ")
    assert complaint in first


def test_all_mistakes_are_told_at_once() -> None:
    """Each with its line and the word that was probably meant."""
    complaints = refused(
        """\
version: 2
time_zone: Europe/Berln
defaults: {user: 20.00, team: refuze, tenant: 5 EUR}
caps:
  tenant:acme: {cap: "-5", zone: x}
  usr:x: 3
  agent:x:
  user:u-2: {cap: 1, time_zone: Nowhere}
  user:u-2: 5
teams: {support: [u-17, u-17]}
overrides: {roles: [], most: "0.0000001"}
people: {u-40: [finance], "*": x}
notify_at: [0, 50, "80"]
peeple: {}
"""
    )
    expected = [
        "budgets.yaml:1: version: 2 is none of 1",
        "budgets.yaml:2: time_zone: no time zone is named 'Europe/Berln'; did you mean Europe/Berlin?",
        "budgets.yaml:3: defaults.user: write it in quotes, as in '20.00'",
        "budgets.yaml:3: defaults.team: 'refuze' is no cap",
        "budgets.yaml:3: defaults.tenant: '5 EUR': amounts are US dollars",
        "budgets.yaml:3: `defaults` needs 'agent'",
        "budgets.yaml:5: caps.tenant:acme.cap: '-5' is less than nothing",
        "budgets.yaml:5: there is no 'zone' in a cap; did you mean time_zone?",
        "budgets.yaml:6: caps.usr:x: 'usr:x' is no scope; write one of user:…",
        "budgets.yaml:7: caps.agent:x: nothing is written here",
        "budgets.yaml:8: caps.user:u-2.time_zone: no time zone is named 'Nowhere'",
        "budgets.yaml:9: 'user:u-2' stands here a second time; the first is in line 8",
        "budgets.yaml:10: teams: 'u-17' is twice in 'support'; a user is in one team at most",
        "budgets.yaml:11: overrides.roles: the list is empty",
        "budgets.yaml:11: overrides.most: '0.0000001' is finer than a micro-dollar",
        "budgets.yaml:12: people.*: '*' is no name",
        "budgets.yaml:13: notify_at: 0 is no percentage",
        "budgets.yaml:13: notify_at: '80' is no percentage",
        "budgets.yaml:14: there is no 'peeple' in a budgets file; did you mean people?",
    ]
    assert len(complaints) == len(expected)
    for complaint, beginning in zip(complaints, expected, strict=True):
        assert complaint.startswith(beginning)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "budgets.yaml: the file is empty; a budgets file says what holds for each user, team, tenant and agent"),
        ("- x", "budgets.yaml:1: a budgets file is a mapping; begin with `defaults:`"),
        ("version: 1", "budgets.yaml:1: defaults: a budgets file says what holds"),
        ("#" + "x" * 262_144, "budgets.yaml: the file has 262145 bytes; a budgets file may have 256 KiB"),
    ],
)
def test_what_is_no_budgets_file_is_refused(text: str, complaint: str) -> None:
    """Empty, something else, or too large."""
    assert refused(text)[0].startswith(complaint)


@pytest.mark.parametrize(
    ("teams", "complaint"),
    [
        ({"a": ["u-1"], "b": ["u-1"]}, "'u-1' is in 'a' and in 'b'; a user is in one team at most"),
        ({"a": ["u-1"], "b": ["default/u-1"]}, "'default/u-1' is in 'a' and in 'b'"),
        ({"a": ["u-1", "acme/u-2"]}, "team 'a' has members of several tenants (acme, default); a team is of one"),
        ({"acme/a": ["evil/u-1"]}, "team 'acme/a' is of tenant 'acme', and 'evil/u-1' is not"),
    ],
)
def test_teams_that_contradict_themselves_are_refused(teams: dict[str, list[str]], complaint: str) -> None:
    """A user's run is on one team's account, in the user's tenant."""
    with pytest.raises(ValidationError) as caught:
        Budgets(defaults=DEFAULTS, teams=teams)
    assert complaint in str(caught.value)


def test_the_same_scope_written_twice_is_refused() -> None:
    """Written differently, which a duplicated key isn't."""
    text = "defaults: {user: 1, team: 1, tenant: 1, agent: 1}\ncaps: {user:u-1: 1, user:default/u-1: 2}\n"
    assert refused(text) == [
        "budgets.yaml:2: caps: 'user:u-1' and 'user:default/u-1' are the same scope; leave one of them out"
    ]


def test_an_id_with_a_slash_passes_for_nobody_of_another_tenant() -> None:
    """The default tenant's user `acme/u-3` isn't on the account of acme's user `u-3`."""
    posing, meant = Scope(kind="user", name="acme/u-3"), Scope(kind="user", name="u-3", tenant="acme")
    assert (str(posing), str(meant)) == ("user:default/acme/u-3", "user:acme/u-3")
    assert [Scope.parse(str(scope)) for scope in (posing, meant)] == [posing, meant]


def test_what_concerns_nobody_is_worth_a_look() -> None:
    """Caps of agents and teams that aren't there, and roles that nobody has: warnings, with their lines."""
    text = WHOLE.replace("  user:u-17: 50", "  agent:dsk: 5\n  team:supprt: 5").replace(
        "[finance], most", "[cfo], most"
    )
    found = problems(parse_budgets(text, "budgets.yaml"), ["desk"])
    assert [(problem.severity, problem.line) for problem in found] == [("warning", 7), ("warning", 8), ("warning", 11)]
    assert "no agent is named 'dsk' here; did you mean desk?" in found[0].message
    assert "nobody is in team:supprt" in found[1].message
    assert problems(parse_budgets(WHOLE, "budgets.yaml"), ["desk"]) == []


def test_refused_budgets_are_a_declaration_error() -> None:
    """Caught like every mistake of what a person declares."""
    with pytest.raises(DeclarationError):
        parse_budgets("x", "budgets.yaml")
