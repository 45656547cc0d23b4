"""What a person sees of a run in Temporal's Web UI (2.54), read from the page in a real browser."""

import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypedDict, cast

from playwright.async_api import Browser, Page

from tether.starters.cli.watch import ui_address

PICTURES = Path(__file__).parents[2] / "build/pictures"
WIDTH = 1600
TALL = 4000
"""Pixels. The page has only those rows in it that a person could see: about 140 in a window as tall as this."""
MARGIN = 24

Kind = Literal["activity", "timer", "signal", "update", "child"]
KINDS: dict[str, Kind] = {
    "#ti-activity": "activity",
    "#ti-retention": "timer",
    "#ti-signal": "signal",
    "#ti-update": "update",
    "#ti-relationship": "child",
}
"""By the first of a row's icons that says it; one in flight begins with another, of no kind."""

ROWS = "button.event"
READ_ROWS = """rows => rows
    .map(row => ({row, top: row.getBoundingClientRect().top}))
    .sort((one, other) => other.top - one.top)
    .map(({row}) => ({
        icons: [...row.querySelectorAll("use")].map(icon => icon.getAttribute("href")),
        text: row.innerText,
        label: row.ariaLabel,
    }))"""
ATTEMPT = re.compile(r"^Attempt \d+ / \S+ • ")
"""Before the text of an activity in flight, once the page has asked for that."""


class SeenRow(TypedDict):
    """What READ_ROWS finds in the page."""

    icons: list[str]
    text: str
    label: str


@dataclass(frozen=True)
class Row:
    """A bar or a dot of the timeline.

    Attributes:
        kind: What it stands for.
        text: What is written beside it: "refund • order:1"; of a timer its summary; of a signal or update its name. The
            count of attempts before an activity in flight is left out.
        status: As the page names it to those who can't see: Completed, Scheduled, Started, Fired, Canceled, Signaled.
    """

    kind: Kind
    text: str
    status: str


@dataclass(frozen=True)
class Timeline:
    """The timeline of a run, the oldest row first (the page has it last)."""

    rows: tuple[Row, ...]

    @property
    def texts(self) -> list[str]:
        """What is written beside its bars."""
        return [row.text for row in self.rows]


async def new_page(browser: Browser) -> Page:
    """A window for the Web UI, whose times are those of one zone wherever the test runs."""
    return await browser.new_page(
        viewport={"width": WIDTH, "height": TALL}, locale="en-GB", timezone_id="UTC", color_scheme="light"
    )


async def timeline_of(page: Page, ui: str, run: str, *, shows: str) -> Timeline:
    """Load the page of a run, and read its timeline.

    Args:
        page: Made by `new_page`.
        ui: Address of the Web UI.
        run: Id of the run.
        shows: What to wait for: the text of a row, as a rule the last one.

    Raises:
        playwright.async_api.TimeoutError: There was no such row within half a minute.
    """
    await page.set_viewport_size({"width": WIDTH, "height": TALL})
    await page.goto(ui_address(ui, "default", run))
    await page.locator(ROWS).filter(has_text=re.compile(rf"(^|\W){re.escape(shows)}\s*$")).first.wait_for()
    found = cast("list[SeenRow]", await page.locator(ROWS).evaluate_all(READ_ROWS))
    return Timeline(tuple(_row(seen) for seen in found))


async def picture_of(page: Page, name: str) -> Path:
    """Take the picture of what `timeline_of` loaded, down to the end of the timeline, into the folder PICTURES."""
    height = await page.locator(f".canvas:has({ROWS})").evaluate("canvas => canvas.getBoundingClientRect().bottom")
    await page.set_viewport_size({"width": WIDTH, "height": round(height) + MARGIN})
    await page.locator(ROWS).first.wait_for()
    path = PICTURES / f"{name}.png"
    await page.screenshot(path=path, animations="disabled")
    return path


async def details_of(page: Page) -> str:
    """What the run says of itself, as "User Metadata" shows it: the HTML that its markdown became.

    The page asks the run when it is opened; it needs a worker, also where the run has ended.
    """
    await page.get_by_test_id("user-metadata-tab").click()
    details = page.frame_locator("#user-metadata-current-details").locator("main:has(p)")  # empty until it was answered
    return (await details.inner_html()).strip()


async def events_of(page: Page) -> list[str]:
    """The rows of "Event History", the newest first, at most 100; of a run that goes on, as they were at the load."""
    await page.get_by_test_id("history-tab").click()
    rows = page.get_by_test_id("event-summary-row")
    await rows.first.wait_for()
    return [" ".join(text.split()) for text in await rows.all_inner_texts()]


def size_of(picture: Path) -> tuple[int, int]:
    """Width and height of a PNG, in pixels, as its header states them.

    Raises:
        ValueError: It is no PNG.
    """
    head = picture.read_bytes()[:24]
    if head[:8] != b"\x89PNG\r\n\x1a\n":
        raise ValueError(f"{picture} is no PNG")
    width, height = struct.unpack(">II", head[16:])
    return width, height


def _row(seen: SeenRow) -> Row:
    kind = next(KINDS[icon] for icon in seen["icons"] if icon in KINDS)
    text = " ".join(seen["text"].split())
    return Row(kind, ATTEMPT.sub("", text), seen["label"].rpartition(": ")[2])
