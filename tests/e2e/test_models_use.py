"""`ambience models use`, as people run it: alone, beside a server, and where it cannot be done."""

import json
import os
import signal
from pathlib import Path

import pytest

from support.changing_models import TOY
from support.workshop import wait_for

pytestmark = pytest.mark.timeout(400)  # a dozen commands each, which a busy machine starts slowly

KIND = "global_features"
ONE, TWO = "efficientnet-lite0", "starter"


@pytest.fixture(autouse=True)
def fewer_kinds(terminal) -> None:
    """What is tested here needs no local features."""
    terminal.environment["AMBIENCE_KINDS__LOCAL_FEATURES__ENABLED"] = "false"


def model_of(terminal) -> str:
    info = json.loads(terminal.run("info", "--json").out)
    return str(info["kinds"][KIND]["spec"]["model"])


def found(terminal, picture: Path) -> tuple[str, float]:
    answer = json.loads(terminal.run("search", picture, "--by", KIND, "--json").out)
    (evidence,) = [each for each in answer["matches"][0]["evidence"] if each["kind"] == KIND]
    return answer["matches"][0]["name"], evidence["distance"]


def test_alone_it_does_the_work_and_says_how_to_go_back(terminal, photographs: Path) -> None:
    terminal.run("add", photographs)
    assert model_of(terminal) == ONE
    changed = terminal.run("models", "use", TWO, "--kind", KIND)
    assert changed.out == f"{KIND} uses {TWO} now; back to {ONE}: ambience models use {ONE} --kind {KIND}\n"
    assert model_of(terminal) == TWO
    assert found(terminal, photographs / "rocket.jpg") == ("rocket.jpg", pytest.approx(0, abs=1e-3))
    assert f"not used: 5 features of {KIND}-{ONE}" in terminal.run("info").out

    back = json.loads(terminal.run("models", "use", ONE, "--json").out)
    assert (back["kind"], back["before"], back["is_in_use"]) == (KIND, TWO, True)
    assert terminal.run("models", "use", ONE).out == f"{KIND} uses {ONE}\n"
    assert terminal.run("check").out == "all is well\n"


def test_a_running_server_changes_without_a_restart(terminal, photographs: Path, free_port: int) -> None:
    with terminal.server("--port", str(free_port), port=free_port) as client:
        terminal.run("add", photographs)
        terminal.run("models", "use", TWO, "--kind", KIND)
        row = client.get("/v1/info").raise_for_status().json()["kinds"][KIND]
        assert (row["model"], row["coming"], row["states"]["done"]) == (TWO, None, 5)
        data = (photographs / "coffee.png").read_bytes()
        answer = client.post("/v1/search", files={"image": ("a.png", data)}, data={"by": KIND})
        assert answer.raise_for_status().json()["matches"][0]["image"]["name"] == "coffee.png"
        subjects = [job["subject"] for job in client.get("/v1/jobs").json()["jobs"]]
        assert f"{KIND} ({TWO})" in subjects
    assert model_of(terminal) == TWO


def test_what_cannot_be_done_is_said_in_a_line(terminal, photographs: Path) -> None:
    terminal.run("add", photographs / "rocket.jpg")
    for words, said in (
        (("nonsense",), "no model 'nonsense'; have"),
        (("minilm", "--kind", KIND), f"minilm does not fit: {KIND} takes"),
        (("siglip2-b32-256",), "ambience models install siglip2-b32-256"),
        ((ONE, "--kind", "phash"), "phash has no model that can be chosen"),
    ):
        refused = terminal.run("models", "use", *words, code=1)
        assert said in refused.err
        assert len(refused.err.strip().splitlines()) == 1
    terminal.environment["AMBIENCE_KINDS__GLOBAL_FEATURES__MODEL"] = ONE
    wins = terminal.run("models", "use", TWO, "--kind", KIND, code=1)
    assert f"kinds.{KIND}.model = '{ONE}' is set" in wins.err


def _is_changing(terminal) -> bool:
    return json.loads(terminal.run("info", "--json").out)["kinds"]["toy"]["coming"] is not None


def _model_of_toy(terminal) -> str:
    return str(json.loads(terminal.run("info", "--json").out)["kinds"]["toy"]["spec"]["model"])


@pytest.fixture
def with_toy(terminal, photographs: Path) -> dict[str, str]:
    """A library with a kind whose second model takes its time; the environment of its commands."""
    environment = terminal.environment
    environment["PYTHONPATH"] = os.pathsep.join([environment["PYTHONPATH"], str(TOY)])
    environment["AMBIENCE_KINDS__TOY__PAUSE_S"] = "1.5"
    for kind in ("GLOBAL_FEATURES", "IMAGE_TEXT_FEATURES"):
        environment[f"AMBIENCE_KINDS__{kind}__ENABLED"] = "false"
    terminal.run("add", photographs)
    return environment


def test_after_ctrl_c_the_same_command_goes_on(terminal, with_toy: dict[str, str]) -> None:
    process = terminal.start("models", "use", TWO)
    wait_for(lambda: _is_changing(terminal))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the next `ambience serve` goes on with it, or this command" in err.decode()
    assert f"toy uses {ONE} until" in err.decode()
    assert _model_of_toy(terminal) == ONE
    with_toy["AMBIENCE_KINDS__TOY__PAUSE_S"] = "0"
    assert f"toy uses {TWO} now" in terminal.run("models", "use", TWO).out


def test_after_ctrl_c_a_server_goes_on(terminal, with_toy: dict[str, str], free_port: int) -> None:
    with terminal.server("--port", str(free_port), port=free_port):
        process = terminal.start("models", "use", TWO)
        wait_for(lambda: _is_changing(terminal))
        assert "changing toy from" in terminal.run("info").out
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "the server goes on with it" in err.decode()
        wait_for(lambda: _model_of_toy(terminal) == TWO)
