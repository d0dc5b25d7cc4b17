import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from ambience.answers import Answer, Evidence, Expansion, KindStatus, Match, Query, QueryPart
from ambience.datatypes import FeatureState, ImageRecord, Orientation, Picture, Verdict
from ambience.errors import (
    AmbienceError,
    BusyError,
    CorruptImageError,
    QueryError,
    UnknownImageError,
    error_of,
)
from ambience.ingest.progress import IngestReport
from ambience.serve.wire import decode, encode
from ambience.store.base import FailedFile

EVIDENCE = Evidence("phash", 4.0, 0.98, 1, Verdict.EDITED, Orientation(90, True))
RECORD = ImageRecord(
    sha256=bytes(range(32)),
    size=5,
    name="no UTF-8: \udcff",
    taken_at=datetime(2020, 2, 3, 4, 5),
    added_at=datetime(2020, 2, 3, tzinfo=UTC),
    features={"phash": (FeatureState.FAILED, "why")},
    tags=("a", "b"),
    image_id=2**53 - 1,
)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        "text \udcff",
        1.5,
        b"\x00\xff",
        Path("/a/\udcff"),
        (1, (2, "x")),
        [1, [2]],
        {1: "a", "b": None, Verdict.PART: ()},
        Query(data=b"\xff" * 10, name="q"),
        Query(
            parts=(QueryPart(text="a dog", weight=-0.5), QueryPart(data=b"\x00")), expansion=Expansion(3, 0.5)
        ),
        RECORD,
        {7: RECORD},
        Answer(
            (Match(3, Verdict.PART, 0.5, Orientation(), (EVIDENCE,)),),
            (KindStatus("color", "late", "x"),),
            1.0,
        ),
        IngestReport(failed=(FailedFile("/x", 1, 2, "c", "r"),)),
    ],
)
def test_a_value_comes_back_as_it_was(value):
    there = json.loads(json.dumps(encode(value)).encode("ascii"))
    assert decode(there) == value
    assert type(decode(there)) is type(value)


def test_pixels_come_back_as_they_were():
    rgb = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    there = json.loads(json.dumps(encode(Picture(rgb, 40, 20, "png"))))
    back = decode(there)
    assert (back.width, back.height, back.rgb.dtype) == (40, 20, np.uint8)
    assert np.array_equal(back.rgb, rgb)
    there["fields"]["rgb"]["shape"] = [9, 9, 9]
    with pytest.raises(QueryError):
        decode(there)
    with pytest.raises(TypeError, match="ndarray"):
        encode(rgb.astype(np.float32))


def test_numbers_of_arrays_become_plain_numbers():
    assert encode([np.int64(3), np.float32(0.5)]) == [3, 0.5]


@pytest.mark.parametrize(
    "value",
    [
        {"$": "os:system", "value": "ls"},
        {"$": "ambience.datatypes:os", "value": 1},
        {"$": "ambience.datatypes:MAX_IMAGE_ID", "value": 1},
        {"$": "ambience.answers:Query", "fields": {"nobody": 1}},
        {"$": "ambience.datatypes:Verdict", "value": "twin"},
        {"$": "bytes", "value": "!"},
        {"no": "tag"},
        {"$": "datetime", "value": 5},
        {"$": "mapping", "value": [[[1], 2]]},
    ],
)
def test_what_encode_never_makes_is_refused(value):
    with pytest.raises(QueryError):
        decode(value)


def test_a_class_that_is_not_listed_does_not_travel():
    with pytest.raises(TypeError, match="Thread"):
        import threading

        encode(threading.Thread())


@pytest.mark.parametrize("cls", [UnknownImageError, CorruptImageError, QueryError])
def test_errors_come_back_as_their_class(cls):
    made = error_of(cls.code, "words")
    assert type(made) is cls
    assert str(made) == "words"


def test_unknown_codes_and_busy_servers():
    assert type(error_of("no_such_code", "x")) is AmbienceError
    busy = error_of("busy", "x", retry_after_s=7)
    assert isinstance(busy, BusyError)
    assert busy.retry_after_s == 7
