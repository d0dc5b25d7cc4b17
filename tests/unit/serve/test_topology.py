"""Which process serves what, by settings alone."""

from pathlib import Path

import pytest

import ambience
from ambience.errors import SettingsError, UnknownKindError
from ambience.serve.topology import alone, gateway
from ambience.settings import Settings
from support.services import KINDS
from support.silent import SILENT


def test_one_kind_alone_has_no_other_and_keeps_its_own_settings() -> None:
    made = alone(Settings(kinds={"phash": {"index": "exact"}, "color": {"enabled": True}}), "phash")
    assert {kind for kind, given in made.kinds.items() if given["enabled"]} == {"phash"}
    assert made.kinds["phash"]["index"] == "exact"
    assert not any(given["enabled"] for given in made.annotate.values())


def test_an_annotator_alone_needs_no_kind(tmp_path: Path) -> None:
    settings = alone(Settings(library=tmp_path / "library"), "tags")
    with ambience.open(settings=settings, writer=True) as library:
        assert (list(library.specs), list(library.annotators)) == ([], ["tags"])
        assert library.list_images() == []


def test_a_gateway_looks_for_every_kind_at_its_own_port_unless_told_where() -> None:
    made = gateway(Settings(kinds={"phash": {"url": "http://far:1"}, "color": {"enabled": False}}))
    assert made.kinds["phash"]["url"] == "http://far:1"
    assert made.kinds["local_features"]["url"] == "http://127.0.0.1:33333"
    assert "url" not in made.kinds["color"], "what is off is not looked for"
    assert made.annotate["text"]["url"] == "http://127.0.0.1:33339"


def test_a_gateway_makes_no_feature_itself(tmp_path: Path) -> None:
    settings = gateway(Settings(library=tmp_path / "library", annotate=SILENT))
    with ambience.open(settings=settings, writer=True) as library:
        assert not library.kinds
        assert tuple(library.specs) == KINDS
        assert {kind: info.engine for kind, info in library.info().kinds.items()} == dict.fromkeys(
            KINDS, "elsewhere"
        )


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(UnknownKindError, match="no kind 'phasch' to serve alone"):
        alone(Settings(), "phasch")
    with pytest.raises(SettingsError, match=r"kinds\.phash\.url is set"):
        alone(Settings(kinds={"phash": {"url": "http://far:1"}}), "phash")
