"""A change of models that is killed goes on where it was; killed in the middle of the switch, it is whole."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import ambience
from ambience import registry
from ambience.settings import Settings
from support import killed_change
from support.changing_models import (
    KIND,
    ONE,
    TOY,
    TWO,
    assert_found,
    model_of,
    settings_of,
    write_pictures,
)
from support.workshop import wait_for

COUNT = 20
TESTS, SOURCE = Path(__file__).parents[1], Path(ambience.__file__).parents[1]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Of a library with pictures, made with the first model."""
    monkeypatch.syspath_prepend(TOY)
    registry.known.cache_clear()
    made = settings_of(tmp_path)
    with ambience.open(settings=made, writer=True) as library:
        library.add_paths([write_pictures(tmp_path / "photos", range(COUNT))])
    yield made
    registry.known.cache_clear()


def started(folder: Path, point: str) -> "subprocess.Popen[str]":
    paths = os.pathsep.join(map(str, (SOURCE, TESTS, TOY)))
    return subprocess.Popen(
        [sys.executable, killed_change.__file__, str(folder), point],
        env={**os.environ, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        text=True,
    )


def features(settings: Settings, model: str) -> set[int]:
    with ambience.open(settings=settings) as reader:
        records = reader._parts.store.records
        return set(records.all_feature_ids(f"{KIND}-{model}-scaled-v1").tolist())


def test_killed_while_features_are_made_it_goes_on_where_it_was(settings: Settings, tmp_path: Path) -> None:
    before: set[int] = set()
    for least in (5, 12):
        process = started(tmp_path, "never")
        assert process.stdout is not None
        with process.stdout as lines:
            first = int(next(lines).split()[1])
            assert first == COUNT - len(before)
            for line in lines:
                done, total = map(int, line.split())
                if COUNT - total + done >= least:
                    break
            process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        with ambience.open(settings=settings) as reader:
            assert model_of(reader) == ONE
            assert_found(reader, 3)
            coming = reader.info().kinds[KIND].coming
            assert coming is not None
            assert coming.done >= least
        kept = features(settings, TWO)
        assert before <= kept
        before = kept
    with ambience.open(settings=settings, writer=True) as library:
        wait_for(lambda: model_of(library) == TWO)
        assert before <= features(settings, TWO)
        for seed in range(COUNT):
            assert_found(library, seed)
        assert library.check() == []


@pytest.mark.parametrize(("point", "model"), [("write", ONE), ("commit", ONE), ("after", TWO)])
def test_killed_in_the_middle_of_the_switch_it_is_one_or_the_other(
    settings: Settings, tmp_path: Path, point: str, model: str
) -> None:
    process = started(tmp_path, point)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    with ambience.open(settings=settings) as reader:
        assert model_of(reader) == model
        for seed in range(COUNT):
            assert_found(reader, seed)
    with ambience.open(settings=settings, writer=True) as library:
        wait_for(lambda: model_of(library) == TWO)
        assert library.info().kinds[KIND].entries == COUNT
        assert_found(library, 4)
        assert library.check() == []
