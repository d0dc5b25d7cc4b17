"""A new annotator is one file; what it has yet to look at outlives kills, and waits for its model."""

import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import ambience
from support.silent import SILENT_VARIABLES

PICTURES = 24
SLOWNESS = "AMBIENCE_ANNOTATE__TOY__SLOWNESS_S"

TOY = '''
"""A toy: says the mean brightness of a picture, slowly, once its model is there."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ambience.datatypes import Picture, PixelNeed
from ambience.errors import MissingModelError
from ambience.settings import setting
from ambience.words import Annotation, Tag


@dataclass(frozen=True, slots=True)
class ToyOptions:
    """Its settings."""

    slowness_s: float = setting(0.02, "s", "How long it looks at a picture.", minimum=0)


class Toy:
    """One tag for each picture."""

    options_class = ToyOptions
    batch = 1

    def __init__(self, options: ToyOptions, *, models: Any) -> None:
        self.name, self.fingerprint = "toy", "toy-1"
        self.need = PixelNeed(longest_side=32)
        self._slowness_s = options.slowness_s
        self._model = Path(os.environ["HOME"]) / "toy.model"

    def annotate(self, pictures: Sequence[Picture]) -> list[Annotation]:
        if not self._model.exists():
            raise MissingModelError("the toy lacks its model; `ambience models install toy` gets it")
        time.sleep(self._slowness_s * len(pictures))
        return [
            Annotation(tags=(Tag(f"brightness {round(float(each.rgb.mean()))}", "toy", 0.5),))
            for each in pictures
        ]


__all__ = ["Toy"]
'''


@pytest.fixture
def source(tmp_path: Path, source: Path) -> Path:
    """A copy of the package whose only annotator is the toy."""
    copy = tmp_path / "source"
    shutil.copytree(source / "ambience", copy / "ambience", ignore=shutil.ignore_patterns("__pycache__"))
    for each in (copy / "ambience" / "annotate").glob("*.py"):
        if each.name not in ("__init__.py", "base.py"):
            each.unlink()
    (copy / "ambience" / "annotate" / "toy.py").write_text(TOY)
    return copy


@pytest.fixture
def library(terminal, without_embeddings: None, tmp_path: Path) -> Any:
    """A library of plain pictures, each of a brightness of its own; the toy's model is not there."""
    folder = tmp_path / "plain"
    folder.mkdir()
    for n in range(PICTURES):
        Image.fromarray(np.full((40, 40, 3), 10 * n, np.uint8)).save(folder / f"{n}.png")
    terminal.environment["AMBIENCE_KINDS__LOCAL_FEATURES__ENABLED"] = "false"
    for name in SILENT_VARIABLES:  # there are no others in this copy
        del terminal.environment[name]
    terminal.run("add", folder)
    return terminal


def _install(terminal) -> None:
    (Path(terminal.environment["HOME"]) / "toy.model").touch()


def _states(terminal) -> dict[str, int]:
    states = json.loads(terminal.run("info", "--json").out)["annotators"]["toy"]["states"]
    return {state: number for state, number in states.items() if number}


def _until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.1)


def _tags(terminal) -> list[list[tuple[str, str]]]:
    """Tags of every image by id, as the records have them."""
    with ambience.open(terminal.library) as opened:
        records = opened.list_images(limit=1000)
        return [[(tag.source, tag.text) for tag in opened.words(each.image_id).tags] for each in records]


def _expected() -> list[list[tuple[str, str]]]:
    return [[("toy", f"brightness {10 * n}")] for n in range(PICTURES)]


def test_a_killed_run_goes_on_where_it_was(library) -> None:
    _install(library)
    library.environment[SLOWNESS] = "3"  # so that the kill comes before the end on any machine
    process = library.start("annotate", start_new_session=True)
    _until(lambda: 3 <= _states(library).get("done", 0) < PICTURES, "it never began")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    library.environment[SLOWNESS] = "0.02"
    kept = _states(library)
    assert kept["done"] + kept["pending"] == PICTURES
    assert kept["pending"] > 0

    report = json.loads(library.run("annotate", "--json").out)["toy"]
    assert 0 < report["done"] <= kept["pending"]
    assert _states(library) == {"done": PICTURES}
    assert sorted(_tags(library)) == sorted(_expected())
    assert library.run("check").out == "all is well\n"


def test_what_lacks_its_model_waits_and_goes_on(library) -> None:
    found = library.run("annotate")
    assert "ambience models install toy" in found.err + found.out
    assert _states(library) == {"pending": PICTURES}
    _install(library)
    assert json.loads(library.run("annotate", "--json").out)["toy"]["done"] > 0
    assert sorted(_tags(library)) == sorted(_expected())


def test_a_server_says_what_waits_and_is_handed_the_work(library, free_port: int) -> None:
    with library.server("--port", str(free_port), port=free_port):
        _until(lambda: "ambience models install toy" in library.run("info").out, "info says why it waits")
        _install(library)
        report = json.loads(library.run("annotate", "--only", "toy", "--json").out)["toy"]
        assert report["done"] > 0
        assert _states(library) == {"done": PICTURES}


def test_switched_off_it_is_neither_asked_nor_shown(library) -> None:
    assert "annotate.toy.slowness_s" in library.run("info", "--settings").out
    library.environment["AMBIENCE_ANNOTATE__TOY__ENABLED"] = "false"
    assert json.loads(library.run("info", "--json").out)["annotators"] == {}
    refused = library.run("annotate", "--only", "toy", code=1).err
    assert "no annotator 'toy' is switched on" in refused
