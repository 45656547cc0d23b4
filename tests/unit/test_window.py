"""What of a transcript is sent: never torn, never without the task, within the window, and stable."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.transcripts import breaks_order, policies, scales, transcripts
from tether.messages import AssistantMessage, CallBlock, Message, TextBlock, ToolMessage, user
from tether.rewriting import BYTES_A_NEW_TOKEN, BYTES_A_TOKEN, Scale, rewritten
from tether.text import utf8_size
from tether.window import WHOLE, Transcript, Turn, Window, preview, tidy
from tether.window_policy import ContextPolicy

limits = st.integers(1, 5_000)


def sent(said: Transcript, window: Window) -> list[Message]:
    """What a call is sent."""
    return list(said.windowed(window))


def most_cut(said: Transcript, policy: ContextPolicy) -> Window:
    """The window beyond which a policy cuts nothing."""
    last = max(0, len(said.turns) - policy.keep_turns)
    previews = {} if policy.preview_bytes is None else {"previews": last}
    dropped = {"dropped": last, "earlier": len(said.earlier)} if policy.drop_turns else {}
    return policy.first.model_copy(update={**previews, **dropped})


@given(transcripts(), policies, limits, scales())
def test_nothing_is_torn(said: Transcript, policy: ContextPolicy, limit: int, scale: Scale) -> None:
    """Each call stands right before its result and neither without the other; reasoning goes with its calls."""
    window = rewritten(said, policy, limit, policy.first, scale)
    messages = sent(said, window)
    assert not breaks_order(messages)
    kept = [*said.earlier[window.earlier :], *(m for turn in said.turns[window.dropped :] for m in turn.messages)]
    assert [m for m in messages if isinstance(m, AssistantMessage)] == [
        m for m in kept if isinstance(m, AssistantMessage)
    ]


@given(transcripts(), policies, limits, scales())
def test_task_and_newest_turns_are_always_sent(
    said: Transcript, policy: ContextPolicy, limit: int, scale: Scale
) -> None:
    """The task and the newest turns go out as they are, but for white space where that may be folded."""
    messages = sent(said, rewritten(said, policy, limit, policy.first, scale))
    assert said.task in messages
    newest = said.turns[-policy.keep_turns :]
    whole = [message for turn in newest for message in turn.sent(policy.first.form(1))]
    assert messages[len(messages) - len(whole) :] == whole


@given(transcripts(), policies, limits, scales())
def test_a_call_fits_where_that_is_possible(said: Transcript, policy: ContextPolicy, limit: int, scale: Scale) -> None:
    """A call stays within the window where all that may be cut suffices, and is never made longer."""
    window = rewritten(said, policy, limit, policy.first, scale)
    if scale.tokens_of(said.size(most_cut(said, policy))) <= limit:
        assert scale.tokens_of(said.size(window)) <= limit
    assert said.size(window) <= said.size(policy.first)


@given(transcripts(), policies, limits, scales())
def test_rewriting_again_changes_nothing(said: Transcript, policy: ContextPolicy, limit: int, scale: Scale) -> None:
    """The window of the same call is the same, however often it is worked out; from the same, the same."""
    window = rewritten(said, policy, limit, policy.first, scale)
    assert rewritten(said, policy, limit, window, scale) == window
    assert rewritten(said, policy, limit, policy.first, scale) == window


@given(transcripts(), policies, st.lists(limits, min_size=1, max_size=6), scales())
def test_what_was_cut_stays_cut(said: Transcript, policy: ContextPolicy, many: list[int], scale: Scale) -> None:
    """As a run grows, each epoch cuts at least what the one before cut; within one, each call begins as the last."""
    window = policy.first
    before: list[Message] = [said.task]
    for count in range(len(said.turns) + 1):
        now = Transcript(said.earlier, said.task, said.turns[:count])
        after = rewritten(now, policy, many[count % len(many)], window, scale)
        assert (after.previews, after.dropped, after.earlier) >= (window.previews, window.dropped, window.earlier)
        assert all(getattr(after, each) >= getattr(window, each) for each in ("previews", "dropped", "earlier"))
        messages = sent(now, after)
        assert after.epoch == window.epoch + (after != window)
        if after == window and count:
            assert messages[: len(before)] == before
        window, before = after, messages


@given(transcripts(), policies, limits)
def test_the_window_is_left_alone_for_many_turns(said: Transcript, policy: ContextPolicy, limit: int) -> None:
    """What is cut is cut to the low mark, not to the limit, wherever all that may be cut reaches it."""
    scale = Scale()
    window = rewritten(said, policy, limit, policy.first, scale)
    mark = limit * policy.shrink_percent // 100
    if window.epoch and scale.tokens_of(said.size(most_cut(said, policy))) <= mark:
        assert scale.tokens_of(said.size(window)) <= mark


@given(transcripts(), st.integers(0, 10), st.integers(0, 10), st.integers(0, 100), st.booleans())
def test_a_window_is_all_that_is_needed_to_send_the_same(
    said: Transcript,
    previews: int,
    dropped: int,
    preview_bytes: int,
    tidied: bool,  # noqa: FBT001  hypothesis hands it over
) -> None:
    """From its JSON and the transcript, the same messages are made again."""
    last = len(said.turns)
    window = Window(
        previews=min(previews, last), dropped=min(dropped, last), preview_bytes=preview_bytes, tidied=tidied
    )
    again = Window.model_validate_json(window.model_dump_json(exclude_defaults=True))
    fresh = Transcript(said.earlier, said.task, [Turn(turn.messages) for turn in said.turns])
    assert sent(fresh, again) == sent(said, window)
    assert sent(said, WHOLE) == [*said.earlier, said.task, *(m for turn in said.turns for m in turn.messages)]


@given(st.text(max_size=300), st.integers(0, 100))
def test_a_preview_is_never_longer(text: str, max_bytes: int) -> None:
    """A preview is a beginning of the text with how much is missing, and only where that is shorter."""
    short = preview(text, max_bytes)
    assert utf8_size(short) <= utf8_size(text)
    if short != text:
        kept = short.rpartition("[")[0].removesuffix("\n")
        assert text.startswith(kept)
        assert utf8_size(kept) <= max_bytes
        assert f"[{utf8_size(text) - utf8_size(kept):,} of {utf8_size(text):,} bytes" in short


def test_white_space_is_folded() -> None:
    """Runs of blanks, empty lines and blanks at line ends go; what is left keeps its lines."""
    assert tidy("  a \t b\n\n\n  c  \r\n") == "a b\nc"


def a_turn(number: int, text: str) -> Turn:
    """A turn of one call."""
    call = CallBlock(kind="call", provider_id=f"call_{number}", tool="f", arguments={})
    asked = AssistantMessage(role="assistant", blocks=(TextBlock(kind="text", text="Next."), call))
    return Turn((asked, ToolMessage(role="tool", provider_id=f"call_{number}", tool="f", text=text)))


LONG = Transcript((), user("Task"), [a_turn(number, "word " * 200) for number in range(1, 21)])


def test_results_are_cut_before_turns_are_dropped() -> None:
    """Previews come first, oldest first; turns go only where previews don't suffice."""
    policy, scale = ContextPolicy(keep_turns=3, shrink_percent=80), Scale()
    whole = scale.tokens_of(LONG.size(WHOLE))
    some = rewritten(LONG, policy, whole - 1, policy.first, scale)
    assert (0 < some.previews < 17, some.dropped) == (True, 0)
    more = rewritten(LONG, policy, whole // 4, policy.first, scale)
    assert (more.previews, more.dropped > 0) == (17, True)


def test_the_earlier_conversation_goes_before_turns_do() -> None:
    """What was said before the task is left out first, at a user's message."""
    earlier = tuple(m for n in range(3) for m in (user("Before " * 300), *a_turn(-n, "old").messages))
    said = Transcript(earlier, LONG.task, LONG.turns[:6])
    policy = ContextPolicy(keep_turns=2)
    limit = Scale().tokens_of(said.size(WHOLE)) - 1
    window = rewritten(
        said, policy.model_copy(update={"preview_bytes": None, "shrink_percent": 80}), limit, WHOLE, Scale()
    )
    assert (window.earlier % 3, window.earlier > 0, window.dropped) == (0, True, 0)
    note = sent(said, window)[len(earlier) - window.earlier + 1]
    assert f"{window.earlier} messages from before the task" in note.model_dump()["text"]


def test_the_model_is_told_what_is_missing() -> None:
    """A note after the task names the turns that are left out, with their summary and what that doesn't cover."""
    window = Window(dropped=3, summary="Two orders were refunded.", summarised=2)
    note = sent(LONG, window)[1]
    assert note == user(
        "[Left out here to save room: turns 1 to 3, with tool calls and results.]\n"
        "[In their place, a summary that another model wrote:]\nTwo orders were refunded.\n"
        "[It does not cover turn 3.]"
    )


@pytest.mark.parametrize("tokens", [0, 10_000])
def test_tokens_are_estimated_where_none_were_reported(tokens: int) -> None:
    """Without a report, or with a bound in its place, bytes are divided by a stated number."""
    assert Scale(fixed=400, tokens=tokens, size=9_999).tokens_of(3_600) == 4_000 // BYTES_A_TOKEN


def test_tokens_are_counted_by_the_last_report() -> None:
    """What was reported counts as it is; what was added or cut since is counted by its bytes."""
    scale = Scale(fixed=100, tokens=500, size=1_000)
    assert scale.tokens_of(900) == 500
    assert scale.tokens_of(900 + 30 * BYTES_A_NEW_TOKEN) == 530
    assert scale.tokens_of(400) == 250


def test_a_window_may_be_stated_or_the_models_own() -> None:
    """The lower of the agent's and the model's holds; the model's is less by what the reply may write."""
    assert ContextPolicy().limit(None, 4_000) is None
    assert ContextPolicy().limit(200_000, 4_000) == 196_000
    assert ContextPolicy(window=4_000).limit(None, 4_000) == 4_000
    assert ContextPolicy(window=4_000).limit(200_000, 4_000) == 4_000
    assert ContextPolicy(window=500_000).limit(200_000, 4_000) == 196_000
