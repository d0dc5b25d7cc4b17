"""Containers, compose file and systemd units name what there is: kinds, ports, settings and commands."""

import configparser
import re
import runpy
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from ambience import registry
from ambience.making import ANNOTATORS, EXTRACTORS, make_extractors
from ambience.serve.cli.app import root
from ambience.serve.http.original_words import PORTS
from ambience.serve.http.run import PORT
from ambience.settings import Settings
from ambience.settings_sources import load_settings

ROOT = Path(__file__).parents[3]
UNITS = ROOT / "deploy" / "systemd"
NAMES = {*registry.names(EXTRACTORS), *registry.names(ANNOTATORS)}
SERVICE_KEYS = {
    *("image", "build", "restart", "stop_grace_period", "read_only", "tmpfs", "cap_drop", "security_opt"),
    *("profiles", "command", "ports", "environment", "volumes"),
}
"""Of the Compose specification, those that are used here."""


@pytest.fixture(scope="module")
def ports() -> dict[str, int]:
    kinds = {kind: extractor.spec.port for kind, extractor in make_extractors(Settings()).items()}
    return kinds | PORTS | {"gateway": PORT}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    return document


def is_command(words: list[str]) -> bool:
    """Whether the command line takes these words; `--help` keeps it from doing anything."""
    return CliRunner().invoke(root, [*words, "--help"]).exit_code == 0


def test_the_compose_file_has_the_form_of_the_specification(compose: dict[str, Any]) -> None:
    assert set(compose) <= {"name", "services", "volumes"} | {key for key in compose if key.startswith("x-")}
    for name, service in compose["services"].items():
        assert set(service) <= SERVICE_KEYS, name
        assert re.fullmatch("[a-z][a-z-]*", name), "a host name"
        for volume in service["volumes"]:
            source = volume.partition(":")[0]
            assert source in compose["volumes"] or source.startswith("${"), volume
    named = {each.partition(":")[0] for one in compose["services"].values() for each in one["volumes"]}
    assert set(compose["volumes"]) == {each for each in named if not each.startswith("$")}


def test_both_shapes_are_there_and_every_service_is_found(
    compose: dict[str, Any], ports: dict[str, int]
) -> None:
    by_profile: dict[str, list[str]] = {}
    for name, service in compose["services"].items():
        by_profile.setdefault(service["profiles"][0], []).append(name)
    assert by_profile["one"] == ["ambience"]
    assert {name.replace("-", "_") for name in by_profile["nine"]} == NAMES | {"gateway"}
    settings = load_settings(environment=compose["services"]["gateway"]["environment"])
    for kind in registry.names(EXTRACTORS):
        host = kind.replace("_", "-")
        assert settings.kinds[kind]["url"] == f"http://{host}:{ports[kind]}"
    for name in registry.names(ANNOTATORS):
        assert settings.annotate[name]["url"] == f"http://{name}:{ports[name]}"
    for name in NAMES:
        service = compose["services"][name.replace("_", "-")]
        own = load_settings(environment=service["environment"]).serve
        assert (own.port, own.allowed_hosts) == (ports[name], (name.replace("_", "-"),))
        assert service["command"] == ["serve", name, "--alone"]
    for service in compose["services"].values():
        assert is_command(service["command"])
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert all(each.startswith("127.0.0.1:") for each in service.get("ports", []))


def test_the_container_runs_without_root_and_tells_its_health() -> None:
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", "").splitlines()
    words = [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]
    kept = [(name, rest) for name, rest in words]
    last_stage = kept[max(place for place, (name, _) in enumerate(kept) if name == "FROM") :]
    users = [rest for name, rest in last_stage if name == "USER"]
    assert users == ["10001"]
    assert any(name == "HEALTHCHECK" and "/readyz" in rest for name, rest in last_stage)
    environment = next(rest for name, rest in last_stage if name == "ENV")
    given = dict(each.split("=", 1) for each in shlex.split(environment))
    settings = load_settings(environment={n: v for n, v in given.items() if n.startswith("AMBIENCE_")})
    assert (settings.serve.host, settings.serve.port) == ("0.0.0.0", PORT)
    assert str(settings.library).startswith("/data")


@pytest.mark.parametrize("name", ["ambience", "ambience-gateway", "ambience-kind@"])
def test_units_start_what_there_is(name: str) -> None:
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(UNITS / f"{name}.service", encoding="utf-8")
    service = unit["Service"]
    program, *words = shlex.split(service["ExecStart"].replace("%i", "phash"))
    assert program.endswith("/bin/ambience")
    assert is_command(words)
    assert service["NoNewPrivileges"] == "yes"
    assert int(service["TimeoutStopSec"]) > 60, "longer than requests in work get to finish"


def test_the_target_wants_every_service() -> None:
    wanted = re.findall(r"ambience-kind@(\w+)\.service", (UNITS / "ambience-services.target").read_text())
    assert sorted(name for name in wanted if name) == sorted(NAMES)


def test_the_script_knows_every_port(ports: dict[str, int]) -> None:
    assert runpy.run_path(str(ROOT / "deploy" / "nine.py"))["PORTS"] == ports
