"""A real browser, which `make test` installs from npm: no root, no X server, no browser of the machine's.

Chromium's headless shell lies compressed in the package `@sparticuz/chromium`, for Linux on x86-64; elsewhere name a
Chromium of your own: `CHROMIUM=/path/of/it make test`. It is unpacked into a temporary folder, in about two seconds;
nothing is downloaded. The machine gives libc (with libm, libdl, libpthread) and libgcc_s. All else comes along: NSS
(libnss3, libnssutil3, libsoftokn3, libfreebl3, libfreeblpriv3), NSPR (libnspr4, libplc4, libplds4) and libexpat, found
by LD_LIBRARY_PATH; libEGL, libGLESv2, libvulkan and libvk_swiftshader, beside the program. Its font is Open Sans, the
only one that it finds: a picture looks the same on all machines.
"""

import os
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright

PACKAGE = Path(__file__).parents[2] / "node_modules/@sparticuz/chromium/build/index.js"
UNPACK = "const chromium = await import(process.argv[1]); console.log(await chromium.default.executablePath())"
WITHIN = 60
MISSING = "there is no browser: run `make test`, which installs one from npm, or name yours: CHROMIUM=/path make test"
FOREIGN = f"{MISSING} (that of npm is for Linux on x86-64, which this machine isn't)"
ARGUMENTS = (
    "--no-sandbox",  # a sandbox needs privileges that a container lacks
    "--no-zygote",
    "--disable-gpu",
    # Only what this machine serves: no updates, no services of the vendor's, no other host, no UDP.
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{folder}/fonts/fonts</dir><cachedir>{folder}/fonts-cache</cachedir></fontconfig>
"""


@dataclass(frozen=True)
class Chromium:
    """A program, with the environment in which it finds what it needs."""

    program: Path
    environment: dict[str, str]


@contextmanager
def unpacked() -> Iterator[Chromium]:
    """Chromium in a temporary folder, which is its home too and is gone at the end."""
    with tempfile.TemporaryDirectory(prefix="tether-browser-") as name:
        folder = Path(name)
        environment = {**os.environ, "HOME": name, "TMPDIR": name}
        if own := os.environ.get("CHROMIUM"):
            yield Chromium(Path(own), environment)
            return
        program = _unpack(environment)
        fonts = folder / "fonts.conf"
        fonts.write_text(FONTS.format(folder=folder))
        libraries = os.pathsep.join([f"{folder}/al2023/lib", *filter(None, [os.environ.get("LD_LIBRARY_PATH")])])
        yield Chromium(program, environment | {"FONTCONFIG_FILE": str(fonts), "LD_LIBRARY_PATH": libraries})


@asynccontextmanager
async def browser(chromium: Chromium) -> AsyncIterator[Browser]:
    """That Chromium without a window, driven by Playwright, until the end of the block."""
    async with (
        async_playwright() as playwright,
        await playwright.chromium.launch(
            executable_path=chromium.program, args=ARGUMENTS, env={**chromium.environment}
        ) as started,
    ):
        yield started


def _unpack(environment: dict[str, str]) -> Path:
    node = shutil.which("node", path=os.pathsep.join([sysconfig.get_path("scripts"), *os.get_exec_path()]))
    if node is None or not PACKAGE.exists():
        pytest.fail(MISSING)
    if (os.uname().sysname, os.uname().machine) != ("Linux", "x86_64"):
        pytest.fail(FOREIGN)
    unpacking = subprocess.run(
        [node, "--input-type=module", "--eval", UNPACK, PACKAGE.as_uri()],
        # It unpacks the libraries only where it believes to be on Lambda.
        env=environment | {"AWS_EXECUTION_ENV": "AWS_Lambda_nodejs24.x"},
        capture_output=True,
        text=True,
        timeout=WITHIN,
        check=False,
    )
    if unpacking.returncode:
        pytest.fail(f"the browser of {PACKAGE.parents[1]} could not be unpacked: {unpacking.stderr}")
    return Path(unpacking.stdout.strip())
