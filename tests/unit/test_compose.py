"""What of docker-compose.yml and its Dockerfile a schema cannot check: that what they name is there."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OUR_SERVICES = sorted(name for name, service in SERVICES.items() if "build" in service)


def instructions(name: str) -> list[list[str]]:
    """The words of each instruction called `name` in the Dockerfile."""
    text = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    return [line.split()[1:] for line in text.splitlines() if line.split()[:1] == [name]]


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_waits_for_what_there_is(name: str) -> None:
    """A service waits only for services of the file, and for health only where it is checked."""
    for awaited, how in SERVICES[name].get("depends_on", {}).items():
        assert awaited in SERVICES
        assert how["condition"] in {"service_healthy", "service_completed_successfully"}
        assert (how["condition"] == "service_healthy") == ("healthcheck" in SERVICES[awaited])
        assert (how["condition"] == "service_completed_successfully") == ("restart" not in SERVICES[awaited])


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_mounts_what_there_is(name: str) -> None:
    """A mounted file is in the checkout (Docker would make an empty folder of it), a mounted volume in the file."""
    for mount in SERVICES[name].get("volumes", []):
        source = mount.split(":")[0]
        assert (ROOT / source).exists() if source.startswith("./") else source in COMPOSE["volumes"]


@pytest.mark.parametrize("name", sorted(set(SERVICES) - set(OUR_SERVICES)))
def test_an_image_of_others_is_pinned(name: str) -> None:
    """An image that we don't build carries a version, so that tomorrow's start is today's."""
    assert re.fullmatch(r"[a-z/-]+:\d[\d.]*", SERVICES[name]["image"])


def test_the_server_is_fair_between_users() -> None:
    """The server reads our dynamic configuration where it is mounted, and it turns fairness on."""
    server = SERVICES["temporal"]
    source, target, _ = server["volumes"][0].split(":")
    assert server["environment"]["DYNAMIC_CONFIG_FILE_PATH"] == target
    settings = yaml.safe_load((ROOT / source).read_text(encoding="utf-8"))
    assert settings["matching.enableFairness"] == [{"value": True}]
    assert settings["matching.numTaskqueueWritePartitions"] == [{"value": 1}]


def test_the_image_copies_what_the_checkout_has() -> None:
    """Each COPY of the Dockerfile names something in the checkout, and every room is copied."""
    sources = [word for words in instructions("COPY") if words[0] != "--from=build" for word in words[:-1]]
    assert [source for source in sources if not (ROOT / source).exists()] == []
    rooms = {link.name for link in (ROOT / "tether").iterdir() if link.is_symlink()}
    assert {source.rstrip("/") for source in sources} >= rooms | {"tether"}


def test_the_image_gets_what_it_copies() -> None:
    """What the Dockerfile copies is let through by .dockerignore, which lets nothing through that isn't named."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    allowed = [line[1:] for line in lines if line.startswith("!")]
    sources = [word for words in instructions("COPY") if words[0] != "--from=build" for word in words[:-1]]
    assert [source for source in sources if not any(Path(source).match(pattern) for pattern in allowed)] == []


@pytest.mark.parametrize("name", OUR_SERVICES)
def test_our_services_run_commands_that_there_are(name: str) -> None:
    """A service of our image runs a command of `tether` with options that the command has."""
    command, *rest = SERVICES[name]["command"]
    tether = Path(sys.executable).with_name("tether")
    shown = subprocess.run([tether, command, "--help"], capture_output=True, text=True, check=False, timeout=60)
    assert shown.returncode == 0, shown.stderr
    assert [word for word in rest if word.startswith("--") and word not in shown.stdout] == []


def test_the_image_runs_as_nobody_special() -> None:
    """The image's process is `tether`, run by a user who isn't root."""
    assert instructions("ENTRYPOINT") == [['["tether"]']]
    assert instructions("USER")[-1] != ["root"]
