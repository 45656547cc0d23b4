"""Notices: the log, and webhooks against a real receiver on a real socket."""

from __future__ import annotations

import json
import logging
import re
import socket
import time
import uuid
from datetime import timedelta
from email.utils import formatdate
from typing import Any

import pytest
from pydantic import SecretStr
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.testing import ActivityEnvironment

from tests.activities.hooks import SECRET, Reply, documented, hooks
from tests.activities.tell_workflow import Tell
from tests.e2e.commands import ROOT
from tests.workflows.desk import agent
from tether import App
from tether.activities.notify import NotifyActivities
from tether.adapters.notifiers.body import WebhookBody
from tether.adapters.notifiers.log import LogNotifier
from tether.adapters.notifiers.receiver import Receiver, signing_key
from tether.adapters.notifiers.several import Several
from tether.adapters.notifiers.signature import header_id, signature_headers
from tether.adapters.notifiers.webhook import LONGEST_PAUSE_SECONDS, WebhookNotifier
from tether.adapters.settings import Settings, SettingsError
from tether.approvals import Request, RequestKind
from tether.notices import AnyNotice, Notice, NoticeKind
from tether.permits import Terms
from tether.ports import NotDelivered, Notifier
from tether.testing.harness import Tether

ASKED_MS = 1_795_253_400_000
REQUEST = Request(
    kind="approval",
    call="c3",
    tool="refund_order",
    version="5f0c6f0f3a52",
    digest="9b1d63b2c1f04a7e",
    arguments={"order_id": "1042", "cents": 4000, "token": "•••"},
    resource="order:1042",
    reason="The parcel never arrived.",
    rule="refunds",
    why="refunds are asked about",
    user="u-17",
    task="Refund order 1042",
    terms=Terms(roles=("finance",), approvers=("u-40", "u-41"), escalate_roles=("manager",), escalated=("u-50",)),
    asked_ms=ASKED_MS,
)
NOTICE = Notice(
    id="019aa2f1-6c1e-7d0b-9a53-2f0f2a4cf3d1/c3/approval/1/requested/0",
    kind="requested",
    run="run/default/ticket-77",
    agent="support_desk",
    tenant="default",
    request=REQUEST,
    at_ms=ASKED_MS,
)
IMPATIENT = 0.3


def changed(kind: NoticeKind = "requested", asks: RequestKind = "approval", **request: Any) -> Notice:
    """A notice about a request that differs."""
    about = REQUEST.model_copy(update={"kind": asks, **request})
    return NOTICE.model_copy(update={"kind": kind, "request": about})


async def told(notifier: Notifier, notice: AnyNotice = NOTICE) -> ApplicationError | None:
    """Execute the activity once, outside of a worker; how it failed."""
    try:
        await ActivityEnvironment().run(NotifyActivities(notifier).notify, notice)
    except ApplicationError as error:
        return error
    return None


async def posted(
    receiver: Receiver, notice: AnyNotice = NOTICE, *, timeout: float = IMPATIENT
) -> ApplicationError | None:
    """Execute the activity once with a webhook; how it failed."""
    notifier = WebhookNotifier(receiver, timeout=timeout)
    try:
        return await told(notifier, notice)
    finally:
        await notifier.close()


async def through_temporal(tether: Tether, url: str, *, backoff: float) -> None:
    """Tell by a workflow and a whole worker, with settings that name the webhook."""
    app = App(agents=[agent()], workflows=[Tell])
    settings = await tether.serve(app, webhook_url=SecretStr(url), webhook_secret=SecretStr(SECRET))
    await tether.client.execute_workflow(
        Tell.run, args=[NOTICE, backoff], id=f"tell-{uuid.uuid4()}", task_queue=settings.task_queue
    )


async def test_what_arrives_is_what_is_documented() -> None:
    """A receiver that verifies as documented accepts a webhook, whose body is the documented example."""
    page = (ROOT / "docs/notifications.md").read_text()
    shown = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    async with hooks() as receiver:
        assert await posted(receiver.receiver) is None
    assert receiver.bodies == [json.loads(shown[0])]
    assert receiver.ids() == receiver.ids("idempotency-key") == [NOTICE.id] == [receiver.bodies[0]["id"]]
    assert receiver.ids("content-type") == ["application/json"]
    assert receiver.forged == []


def test_every_field_of_the_body_is_documented() -> None:
    """The example on the page has all the fields that there are, and no other."""
    page = (ROOT / "docs/notifications.md").read_text()
    shown = json.loads(re.findall(r"```json\n(.*?)```", page, re.DOTALL)[0])
    assert WebhookBody.model_validate(shown, extra="forbid").model_dump(mode="json") == shown


def test_the_signature_is_the_one_of_the_convention() -> None:
    """The example that the convention's own libraries are tested with comes out as published."""
    key = signing_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signature_headers(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("secret", [SECRET, "any text of at least 24 bytes, as it stands"])
def test_what_was_tampered_with_is_not_genuine(secret: str) -> None:
    """The documented check refuses another body, id, time or secret, what is old, and what isn't signed."""
    is_genuine, now, body = documented()["is_genuine"], int(time.time()), b'{"version": 1}'
    headers = signature_headers(signing_key(secret), "n1", now, body)
    assert is_genuine(secret, headers, body)
    assert not is_genuine(secret, headers, body + b" ")
    assert not is_genuine(secret, headers | {"webhook-id": "n2"}, body)
    assert not is_genuine(secret, headers | {"webhook-timestamp": str(now - 1)}, body)
    assert not is_genuine(secret[:-4] + "LiU=", headers, body)
    assert not is_genuine(secret, signature_headers(signing_key(secret), "n1", now - 3600, body), body)
    assert not is_genuine(secret, {"webhook-id": "n1", "webhook-timestamp": str(now)}, body)


async def test_a_failed_webhook_is_sent_again_with_the_same_id(tether: Tether) -> None:
    """Through a real worker and server: 500 leads to a second attempt, signed anew, with the same id and body."""
    async with hooks(Reply(500), Reply(503)) as receiver:
        await through_temporal(tether, receiver.url, backoff=0.01)
    assert receiver.ids() == [NOTICE.id] * 3
    assert len({each.body for each in receiver.had}) == 1
    assert receiver.forged == []


async def test_the_receiver_says_when_to_come_back(tether: Tether) -> None:
    """Retry-After holds instead of the retry policy's own pause, which here is longer than the activity may take."""
    async with hooks(Reply(429, {"retry-after": "1"})) as receiver:
        await through_temporal(tether, receiver.url, backoff=3600)
    assert receiver.ids() == [NOTICE.id] * 2


async def test_a_refused_webhook_is_not_sent_again(tether: Tether) -> None:
    """Through a real worker and server: 400 fails the activity for good, and says which receiver refused."""
    async with hooks(Reply(400)) as receiver:
        with pytest.raises(WorkflowFailureError) as failed:
            await through_temporal(tether, receiver.url, backoff=0.01)
    assert isinstance(failed.value.cause, ActivityError)
    assert f"127.0.0.1:{receiver.port} answered 400" in str(failed.value.cause.cause)
    assert len(receiver.had) == 1


@pytest.mark.parametrize("status", [400, 401, 404, 410, 301, 302, 307, 308, 304])
async def test_what_cannot_help_is_not_tried_again(status: int) -> None:
    """A client error or a redirect is final; a redirect isn't followed, though it may lead anywhere."""
    async with hooks() as elsewhere, hooks(Reply(status, {"location": elsewhere.url})) as receiver:
        error = await posted(receiver.receiver)
    assert error is not None
    assert error.non_retryable
    assert f"answered {status}" in str(error)
    assert len(receiver.had) == 1
    assert elsewhere.had == elsewhere.forged == []


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
async def test_what_may_help_is_tried_again(status: int) -> None:
    """A passing state of the receiver leaves the repetition to Temporal."""
    async with hooks(Reply(status)) as receiver:
        error = await posted(receiver.receiver)
    assert error is not None
    assert not error.non_retryable
    assert error.next_retry_delay is None


@pytest.mark.parametrize(
    ("said", "waited"),
    [("7", 7.0), ("1.5", 1.5), ("86400", LONGEST_PAUSE_SECONDS), ("soon", None), ("nan", None), ("", None)],
)
async def test_retry_after_is_honoured_within_bounds(said: str, waited: float | None) -> None:
    """The pause that the receiver names is kept, up to five minutes; nonsense is ignored."""
    async with hooks(Reply(503, {"retry-after": said})) as receiver:
        error = await posted(receiver.receiver)
    assert error is not None
    assert error.next_retry_delay == (None if waited is None else timedelta(seconds=waited))


async def test_retry_after_may_be_a_date() -> None:
    """A moment is as good as a number of seconds."""
    async with hooks(Reply(503, {"retry-after": formatdate(time.time() + 200, usegmt=True)})) as receiver:
        error = await posted(receiver.receiver)
    assert error is not None
    assert error.next_retry_delay is not None
    assert timedelta(seconds=100) < error.next_retry_delay <= timedelta(seconds=200)


@pytest.mark.parametrize("reply", [Reply(does="hang"), Reply(does="drip")], ids=["silent", "endless"])
async def test_a_receiver_that_does_not_answer_is_left(reply: Reply) -> None:
    """One limit holds for the whole answer, so that bytes that trickle in don't extend it; then it is tried again."""
    async with hooks(reply) as receiver:
        error = await posted(receiver.receiver)
    assert error is not None
    assert "did not answer within 0.3 s" in str(error)
    assert not error.non_retryable


async def test_a_lost_connection_is_tried_again() -> None:
    """A receiver that closes without an answer, or isn't there at all, may be back soon."""
    async with hooks(Reply(does="drop")) as receiver:
        dropped = await posted(receiver.receiver)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        refused = await posted(Receiver.of(f"http://127.0.0.1:{unused.getsockname()[1]}/", SECRET))
    assert dropped is not None
    assert refused is not None
    assert not dropped.non_retryable
    assert not refused.non_retryable
    assert "can't be reached" in str(refused)


async def test_another_secret_is_refused() -> None:
    """A receiver with another secret believes nothing, and nothing is sent again."""
    async with hooks() as receiver:
        error = await posted(Receiver.of(receiver.url, f"{SECRET[:-4]}AAA="))
    assert error is not None
    assert error.non_retryable
    assert receiver.had == []
    assert len(receiver.forged) == 1


async def test_nothing_secret_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """Credentials in the address reach the receiver, and neither errors nor any log at any level."""
    caplog.set_level(logging.DEBUG)
    async with hooks(Reply(400), user="jane:pa55word@") as receiver:
        error = await posted(receiver.receiver)
        assert await posted(receiver.receiver) is None
    assert receiver.ids("authorization") == ["Basic amFuZTpwYTU1d29yZA=="] * 2
    said = "\n".join((caplog.text, str(error), repr(receiver.receiver)))
    assert f"127.0.0.1:{receiver.port}" in said
    assert "HTTP Request" in said
    for secret in ("pa55word", "t0ken", "amFuZTp", SECRET.removeprefix("whsec_")):
        assert secret not in said


async def test_an_id_that_no_header_carries_is_escaped() -> None:
    """Ids of runs may hold any letters: the notice arrives, with one id in header and body that no other has."""
    strange = NOTICE.model_copy(update={"id": "run/zürich/a.b 100%/c1", "run": "run/zürich/a.b 100%"})
    async with hooks() as receiver:
        assert await posted(receiver.receiver, strange) is None
    assert receiver.ids() == [receiver.bodies[0]["id"]] == ["run/z%C3%BCrich/a%2Eb%20100%25/c1"]
    assert receiver.bodies[0]["run"] == strange.run
    assert receiver.bodies[0]["answers"][0]["command"] == "tether approve 'run/zürich/a.b 100%' c3"
    assert len({header_id(each) for each in ("a.b", "a%2Eb", "a b", "a%20b")}) == 4


async def test_an_escalated_request_names_all_who_may_answer() -> None:
    """Once it has been escalated, the roles and people it went to stand beside the first ones."""
    async with hooks() as receiver:
        await posted(receiver.receiver, changed(kind="escalated", escalated=True))
    asked = receiver.bodies[0]["request"]
    assert (asked["roles"], asked["approvers"]) == (["finance", "manager"], ["u-40", "u-41", "u-50"])


async def test_an_outcome_is_asked_for_in_its_own_words() -> None:
    """Where it is unknown what became of a call, the three answers are named, and that the run stops without one."""
    async with hooks() as receiver:
        await posted(receiver.receiver, changed(asks="outcome"))
        await posted(receiver.receiver, changed("expired", asks="outcome"))
    asked, expired = receiver.bodies
    assert [answer["verdict"] for answer in asked["answers"]] == ["happened", "did_not", "stop"]
    assert asked["request"]["at_deadline"] == "stop"
    assert expired["answers"] == []


class Broken:
    """A notifier that fails in a given way."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def notify(self, notice: AnyNotice) -> None:  # noqa: ARG002  the port's argument
        raise self._error


async def test_one_that_fails_does_not_keep_it_from_the_others() -> None:
    """Of several notifiers all are told, whatever becomes of one; trying again may help if it may for one of them."""
    async with hooks() as first, hooks() as last:
        ends = [WebhookNotifier(first.receiver), WebhookNotifier(last.receiver)]
        gone = Broken(NotDelivered("one is gone", retry=False))
        busy = Broken(NotDelivered("one is busy", retry=True, after=5))
        away = Broken(NotDelivered("one is away", retry=True))
        mixed = await told(Several([ends[0], gone, busy, away, ends[1]]))
        final = await told(Several([gone, gone, ends[1]]))
        for each in ends:
            await each.close()
    assert mixed is not None
    assert (str(mixed), mixed.non_retryable) == (
        "NotDelivered: one is gone; one is busy; one is away",
        False,
    )
    assert mixed.next_retry_delay == timedelta(seconds=5)
    assert final is not None
    assert final.non_retryable
    assert (len(first.had), len(last.had)) == (1, 2)


async def test_a_mistake_in_one_is_not_taken_for_a_delivery() -> None:
    """An error that no notifier should raise reaches Temporal, after the others were told."""
    async with hooks() as receiver:
        webhook = WebhookNotifier(receiver.receiver)
        with pytest.raises(ZeroDivisionError):
            await Several([Broken(ZeroDivisionError()), webhook]).notify(NOTICE)
        await webhook.close()
    assert len(receiver.had) == 1


APPROVE = "to answer: tether approve run/default/ticket-77 c3 or tether deny run/default/ticket-77 c3 -m '…'"
OUTCOME = "to answer: tether outcome run/default/ticket-77 c3 --happened '…' | --did-not | --stop"
RUN = "run/default/ticket-77 (support_desk)"
CALL = "refund_order (c3, order:1042)"
UNTIL = "until 2026-11-22T09:30:00Z"
ELSE = "else it is"
NOBODY = "anybody but its requester and starter"


@pytest.mark.parametrize(
    ("notice", "line"),
    [
        (NOTICE, f"{RUN} waits for approval of {CALL} by finance {UNTIL}, else it is denied; {APPROVE}"),
        (
            changed("reminder", terms=Terms(starter_may_approve=True, at_deadline="allow"), resource=""),
            f"{RUN} still waits for approval of refund_order (c3) by anybody {UNTIL}, else it is allowed; {APPROVE}",
        ),
        (
            changed("escalated", escalated=True),
            f"{RUN} is escalated: waits for approval of {CALL} by finance or manager {UNTIL}, {ELSE} denied; {APPROVE}",
        ),
        (changed("expired"), f"{RUN} asked for approval of {CALL}, and had no answer {UNTIL}: it is denied"),
        (
            changed("expired", asks="outcome"),
            f"{RUN} asked for word of what became of {CALL}, and had no answer {UNTIL}: the run is stopped",
        ),
        (
            changed(asks="outcome", terms=Terms()),
            f"{RUN} waits for word of what became of {CALL} by {NOBODY} {UNTIL}, else the run is stopped; {OUTCOME}",
        ),
    ],
    ids=["requested", "reminder", "escalated", "expired", "outcome expired", "outcome"],
)
async def test_the_log_says_what_to_type(caplog: pytest.LogCaptureFixture, notice: Notice, line: str) -> None:
    """One line says what waits, for whom, until when and how to answer it."""
    caplog.set_level(logging.INFO, "tether.notices")
    assert await told(LogNotifier(), notice) is None
    assert caplog.messages == [line]


async def test_what_a_model_wrote_stays_within_its_line(caplog: pytest.LogCaptureFixture) -> None:
    """Line breaks and what moves a terminal's cursor can't forge a line of the log."""
    caplog.set_level(logging.INFO, "tether.notices")
    await told(LogNotifier(), changed(resource="order\n2026-11-21 INFO tether: \x1b[2Kall is well\u202e"))
    assert caplog.messages[0].isprintable()
    assert "order 2026-11-21 INFO tether:" in caplog.messages[0]


async def test_a_notice_that_is_not_delivered_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """An operator sees in the worker's log which notice failed, why, and whether it is tried again."""
    await told(Broken(NotDelivered("nobody is there", retry=True)))
    await told(Broken(NotDelivered("nobody wants it", retry=False)))
    assert caplog.messages == [
        f"notice {NOTICE.id} was not delivered, it is tried again: nobody is there",
        f"notice {NOTICE.id} was not delivered, it is not tried again: nobody wants it",
    ]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"WEBHOOK_URL": "hooks.example.com/pa55word"}, "TETHER_WEBHOOK_URL: must begin with https:// or http://"),
        ({"WEBHOOK_URL": "ftp://jane:pa55word@example.com"}, "TETHER_WEBHOOK_URL: must begin with https:// or http://"),
        ({"WEBHOOK_URL": "https:///pa55word"}, "TETHER_WEBHOOK_URL: names no host"),
        ({"WEBHOOK_URL": "https://jane:pa55word@"}, "TETHER_WEBHOOK_URL: names no host"),
        ({"WEBHOOK_URL": "https://example.com:99999/pa55word"}, "host or port can't be read"),
        ({"WEBHOOK_URL": "https://[::pa55word/"}, "host or port can't be read"),
        ({"WEBHOOK_URL": "https://example.com/pa55 word"}, "printable ASCII"),
        ({"WEBHOOK_URL": "https://example.com/pa55word/ü"}, "printable ASCII"),
        ({"WEBHOOK_URL": "https://example.com/pa55word#part"}, "must not have a fragment"),
        ({"WEBHOOK_URL": "https://example.com/pa55word"}, "TETHER_WEBHOOK_SECRET: is needed with TETHER_WEBHOOK_URL"),
        (
            {"WEBHOOK_URL": "https://example.com", "WEBHOOK_SECRET": " "},
            "TETHER_WEBHOOK_SECRET: is needed with TETHER_WEBHOOK_URL",
        ),
        ({"WEBHOOK_URL": "https://example.com", "WEBHOOK_SECRET": "pa55word"}, "is too short: 8 bytes"),
        ({"WEBHOOK_SECRET": "whsec_pa55word"}, "is too short: 6 bytes"),
        ({"WEBHOOK_SECRET": "whsec_pa55word!"}, "what follows isn't base64"),
        ({"ENVIRONMENT": ""}, "TETHER_ENVIRONMENT: must be 1 to 64 letters, digits, _ or -"),
        ({"ENVIRONMENT": "prod eu"}, "TETHER_ENVIRONMENT: must be 1 to 64 letters, digits, _ or -"),
        ({"ENVIRONMENT": "p" * 65}, "TETHER_ENVIRONMENT: must be 1 to 64 letters, digits, _ or -"),
    ],
)
def test_bad_settings_are_refused(monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], says: str) -> None:
    """A setting that can't be used is named, with what would be right, and what was given isn't shown."""
    for name, value in settings.items():
        monkeypatch.setenv(f"TETHER_{name}", value)
    with pytest.raises(SettingsError, match=re.escape(says)) as refused:
        Settings.load()
    assert "pa55" not in f"{refused.value} {refused.value.__cause__}"


@pytest.mark.parametrize(
    "url", ["http://localhost:8000", "https://a_b.example.com/x?y=z", "http://[::1]:80/", "http://10.0.0.1"]
)
def test_good_settings_are_taken(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """What can be called is taken, and the environment is recorded with each run."""
    monkeypatch.setenv("TETHER_WEBHOOK_URL", url)
    monkeypatch.setenv("TETHER_WEBHOOK_SECRET", f" {SECRET}\n")
    monkeypatch.setenv("TETHER_ENVIRONMENT", "production-eu_1")
    settings = Settings.load()
    assert settings.webhook == Receiver.of(url, SECRET)
    assert settings.for_runs(attributes=True).environment == "production-eu_1"
    assert SECRET not in repr(settings)


def test_by_default_there_is_no_webhook() -> None:
    """Without settings nothing is posted anywhere, and the environment is development."""
    assert Settings.load().webhook is None
    assert Settings.load().for_runs(attributes=True).environment == "development"
