"""Notices about money: the log, and webhooks against a real receiver on a real socket."""

from __future__ import annotations

import json
import logging
import re
import uuid
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from tests.activities.hooks import SECRET, Reply, hooks
from tests.activities.tell_workflow import Tell
from tests.activities.test_notify import NOTICE, changed, posted, told
from tests.e2e.commands import ROOT
from tests.workflows.desk import agent
from tether import App
from tether.adapters.converter import data_converter
from tether.adapters.notifiers.body import WebhookBody
from tether.adapters.notifiers.budget_body import BudgetBody
from tether.adapters.notifiers.log import LogNotifier
from tether.adapters.notifiers.several import Several
from tether.adapters.notifiers.webhook import WebhookNotifier
from tether.budget.draws import Shortage
from tether.budget.purse import Parked
from tether.notices import AnyNotice, BudgetNotice
from tether.testing.harness import Tether

SINCE_MS = 1_795_253_400_000
RUN = "run/acme/ticket-77"
PARKED = Parked(what="turn 5", need=98_000, least=61_250, since_ms=SINCE_MS, deadline_ms=SINCE_MS + 86_400_000)
SHORTAGE = Shortage(
    scope="tenant:acme",
    why="cap",
    month="2026-11",
    limit=50_000_000,
    spent=49_870_000,
    held=90_000,
    need=61_250,
    message="tenant:acme has $0.04 left of its $50.00 for 2026-11, and the next call may cost $0.06125",
)


def exceeded(run: str = RUN, **parked: Any) -> BudgetNotice:
    """That a run waits for money."""
    return BudgetNotice.of_parked(
        PARKED.model_copy(update=parked),
        id=f"019aa2f1-6c1e-7d0b-9a53-2f0f2a4cf3d1/budget/{SINCE_MS}",
        run=run,
        agent="support_desk",
        tenant="acme",
    )


SHORT = exceeded(shortage=SHORTAGE)
UNCAPPED = exceeded(
    shortage=Shortage(scope="user:acme/zoë x", why="no_cap", month="2026-11", message="zoë has no cap.")
)
OWN = exceeded(limit=500_000, spent=470_000)
STORE = exceeded(
    shortage=Shortage(why="store", message="the store can't be reached; the run waits, and spends nothing")
)
LEVEL = BudgetNotice(
    id="tenant:acme/2026-11/80",
    kind="budget_level",
    scope="tenant:acme",
    tenant="acme",
    month="2026-11",
    level=80,
    limit=50_000_000,
    spent=40_120_000,
    held=90_000,
    at_ms=SINCE_MS,
)
LEVEL_SAYS = "tenant:acme has spent 80 % of its cap for 2026-11"
RAISE = "--amount '…' --by '…' --reason '…'"


async def body_of(notice: AnyNotice) -> Any:
    """What a receiver gets."""
    async with hooks() as receiver:
        assert await posted(receiver.receiver, notice) is None
    (body,) = receiver.bodies
    return body


async def test_what_arrives_is_what_is_documented() -> None:
    """A receiver that verifies as documented gets the documented example, which shows all fields and no other."""
    page = (ROOT / "docs/notifications.md").read_text()
    shown = json.loads(re.findall(r"```json\n(.*?)```", page, re.DOTALL)[1])
    async with hooks() as receiver:
        assert await posted(receiver.receiver, SHORT) is None
    assert receiver.bodies == [shown]
    assert BudgetBody.model_validate(shown, extra="forbid").model_dump(mode="json") == shown
    assert receiver.ids() == receiver.ids("idempotency-key") == [shown["id"]]
    assert receiver.forged == []


@pytest.mark.parametrize("notice", [SHORT, LEVEL], ids=["exceeded", "level"])
async def test_a_notice_about_money_reaches_the_receiver_through_temporal(tether: Tether, notice: BudgetNotice) -> None:
    """A workflow's notice comes out of a real worker whole, and again with the same id after a failure."""
    async with hooks(Reply(500)) as receiver:
        app = App(agents=[agent()], workflows=[Tell])
        settings = await tether.serve(app, webhook_url=SecretStr(receiver.url), webhook_secret=SecretStr(SECRET))
        await tether.client.execute_workflow(
            Tell.run, args=[notice, 0.01], id=f"tell-{uuid.uuid4()}", task_queue=settings.task_queue
        )
    assert receiver.bodies == [BudgetBody.of(notice).model_dump(mode="json")] * 2
    assert len(set(receiver.ids())) == 1


@pytest.mark.parametrize(
    "notice",
    [NOTICE, changed("expired"), SHORT, UNCAPPED, OWN, STORE, LEVEL],
    ids=["requested", "expired", "scope", "no cap", "own cap", "store", "level"],
)
async def test_a_payload_says_which_notice_it_is(notice: AnyNotice) -> None:
    """Of what is written into a history each notice is read back as it was, of its own type."""
    given: Any = AnyNotice
    (read,) = await data_converter.decode(await data_converter.encode([notice]), [given])
    assert type(read) is type(notice)
    assert read == notice


async def test_a_receiver_tells_bodies_apart_by_their_kind() -> None:
    """No body about a request passes for one about money, nor the other way round: the kind refuses it."""
    with pytest.raises(ValidationError) as about_money:
        WebhookBody.model_validate(await body_of(SHORT))
    with pytest.raises(ValidationError) as about_a_request:
        BudgetBody.model_validate(await body_of(NOTICE))
    for refused in (about_money, about_a_request):
        assert ("kind",) in [error["loc"] for error in refused.value.errors()]


@pytest.mark.parametrize(
    ("notice", "whose", "command"),
    [
        (SHORT, "scope", f"tether budget override tenant:acme {RAISE}"),
        (UNCAPPED, "scope", f"tether budget override 'user:acme/zoë x' {RAISE}"),
        (OWN, "run", f"tether budget override {RUN} {RAISE}"),
        (exceeded("run/acme/it's; rm", limit=1), "run", f"tether budget override 'run/acme/it'\"'\"'s; rm' {RAISE}"),
        (LEVEL, "scope", f"tether budget override tenant:acme {RAISE}"),
    ],
    ids=["scope", "no cap", "own cap", "quoted", "level"],
)
async def test_the_body_says_what_to_type(notice: BudgetNotice, whose: str, command: str) -> None:
    """Who lacks money is named, and raised by a command that a shell takes as it stands."""
    body = await body_of(notice)
    assert body["whose"] == whose
    assert body["answers"] == [{"verdict": "override", "command": command}]


async def test_no_override_helps_a_store_that_is_away() -> None:
    """Where the store can't be asked, nothing is offered to type, and what nobody knows isn't told as 0."""
    body = await body_of(STORE)
    assert (body["whose"], body["answers"]) == ("store", [])
    assert (body["limit"], body["spent"], body["held"]) == (None, None, None)
    assert body["need"] == {"micros": 61_250, "dollars": "$0.06125"}
    assert body["message"] == "the store can't be reached; the run waits, and spends nothing"


async def test_a_run_that_met_its_own_cap_holds_nothing_of_a_scope() -> None:
    """The figures are the run's own, and no scope or month is named."""
    body = await body_of(OWN)
    assert (body["scope"], body["month"], body["held"]) == ("", "", None)
    assert body["limit"] == {"micros": 500_000, "dollars": "$0.50"}
    assert body["spent"] == {"micros": 470_000, "dollars": "$0.47"}


async def test_nothing_waits_where_a_level_is_told_of() -> None:
    """A level names no run, need or deadline, and is put into a sentence."""
    body = await body_of(LEVEL)
    assert (body["level"], body["run"], body["need"], body["deadline"]) == (80, "", None, None)
    assert body["message"] == LEVEL_SAYS


async def test_all_notifiers_are_told_of_money() -> None:
    """Several notifiers pass it on to each."""
    async with hooks() as first, hooks() as last:
        ends = [WebhookNotifier(first.receiver), WebhookNotifier(last.receiver)]
        assert await told(Several(ends), LEVEL) is None
        for each in ends:
            await each.close()
    assert first.bodies == last.bodies == [BudgetBody.of(LEVEL).model_dump(mode="json")]


WAITS = f"{RUN} (support_desk) waits for money until 2026-11-22T09:30:00Z, else it ends with what it has:"


OWN_SAYS = "turn 5 may cost $0.06125 at the least, and the run has spent $0.47 of its $0.50"


@pytest.mark.parametrize(
    ("notice", "says", "raises"),
    [
        (SHORT, f"{WAITS} {SHORTAGE.message} (cap $50.00, spent $49.87, held $0.09, need $0.06125)", "tenant:acme"),
        (UNCAPPED, f"{WAITS} zoë has no cap (no cap, spent $0.00, held $0.00, need $0.06125)", "'user:acme/zoë x'"),
        (OWN, f"{WAITS} {OWN_SAYS} (cap $0.50, spent $0.47, need $0.06125)", RUN),
        (STORE, f"{WAITS} the store can't be reached; the run waits, and spends nothing (need $0.06125)", ""),
        (LEVEL, f"{LEVEL_SAYS} (cap $50.00, spent $40.12, held $0.09)", "tenant:acme"),
    ],
    ids=["scope", "no cap", "own cap", "store", "level"],
)
async def test_the_log_says_what_to_type(
    caplog: pytest.LogCaptureFixture, notice: BudgetNotice, says: str, raises: str
) -> None:
    """One line says who waits until when, why, the figures that are known, and how to raise the budget."""
    caplog.set_level(logging.INFO, "tether.notices")
    assert await told(LogNotifier(), notice) is None
    assert caplog.messages == [f"{says}; to raise it: tether budget override {raises} {RAISE}" if raises else says]


async def test_the_log_has_one_command(caplog: pytest.LogCaptureFixture) -> None:
    """Where the ledger's words say what to type, with the amount, no other command stands beside them."""
    caplog.set_level(logging.INFO, "tether.notices")
    said = "it lacks $0.02. Somebody can run `tether budget override tenant:acme --amount 0.02 --by ID --reason '…'`"
    short = exceeded(shortage=SHORTAGE.model_copy(update={"message": said, "need": 98_000}))
    assert await told(LogNotifier(), short) is None
    assert caplog.messages == [f"{WAITS} {said} (cap $50.00, spent $49.87, held $0.09, need $0.098)"]


async def test_a_long_message_does_not_push_the_command_out(caplog: pytest.LogCaptureFixture) -> None:
    """However much a store says of its failure, the line ends with what to type, and stays one line."""
    caplog.set_level(logging.INFO, "tether.notices")
    await told(LogNotifier(), SHORT.model_copy(update={"message": "it is\nso sad \x1b[2K" * 1000}))
    (line,) = caplog.messages
    assert line.isprintable()
    assert line.endswith(f"tether budget override tenant:acme {RAISE}")
