"""What filters keep is what a look at every record keeps."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import settings as hypothesis_settings

from ambience.datatypes import ImageRecord, ImageState
from ambience.errors import StoreError
from ambience.expression import Expression
from ambience.search.filters import parsed
from ambience.store import schema
from ambience.store.base import PutFeatures, RemoveImage, SetTags
from ambience.store.commit import Store
from ambience.store.database import Database, sqlite_url
from ambience.store.records import Records
from ambience.store.selection import FEW, LEAST_SAMPLE, Selections
from ambience.words import USER, Caption, Corner, ImageWords, Tag, TextLine
from support.filter_oracle import keeps
from support.filter_trees import WORDS, expressions
from support.store_writes import KINDS, PHASH, draft_of, image_of, made_of

WORDINGS = (
    "winter",
    "Winter",
    "forest",
    "Forest (dark)",
    "a&b",
    "été",
    "E\u0301te\u0301",
    "5",
    "-x",
    "ÉTÉ-5.jpg",
)
QUAD = (Corner(0, 0), Corner(1, 0), Corner(1, 1), Corner(0, 1))
IMAGES = 120

Said = list[tuple[ImageRecord, ImageWords]]


def random_library() -> Said:
    """Records of which many share what filters ask for."""
    rng = np.random.default_rng(5)

    def some(values: tuple[str, ...], most: int) -> list[str]:
        return list(dict.fromkeys(rng.choice(values, rng.integers(0, most + 1)).tolist()))

    made: Said = []
    for image_id in range(IMAGES):
        width, height = rng.choice([0, 1, 640, 1024, 1920, 4000]), rng.choice([1, 480, 768, 1080, 3000])
        taken = datetime(2019, 12, 31, 23, 59, 59) + timedelta(days=int(rng.integers(0, 400)))
        name = str(rng.choice(WORDINGS)) + str(rng.choice(["", ".jpg", "\n", " winter"]))
        record = ImageRecord(
            sha256=bytes(32),
            size=int(rng.choice([0, 1, 999, 1000, 2_500_000])),
            name=name,
            path=None if rng.random() < 0.3 else f"/photos/{image_id}/{name}",
            mtime_ns=0,
            is_upload=False,
            format=str(rng.choice(["jpeg", "png"])),
            width=int(width),
            height=0 if width == 0 else int(height),
            taken_at=None if rng.random() < 0.3 else taken,
            image_id=image_id * 3,
            state=ImageState.PRESENT,
            added_at=datetime(2020, 5, 31, 18, 30, int(rng.integers(0, 60)), tzinfo=UTC),
        )
        tags = [
            Tag(text, str(rng.choice([USER, "m"])), round(float(rng.random()), 3))
            for text in some(WORDINGS, 3)
        ]
        captions = [Caption(text, f"model{i}", 0.0) for i, text in enumerate(some(WORDINGS, 2))]
        lines = [TextLine(text, QUAD, 1.0) for text in some(WORDINGS, 2)]
        made.append((record, ImageWords(tuple(lines), tuple(tags), tuple(captions))))
    return made


LIBRARY = random_library()


def written(folder: Path, library: Said) -> Selections:
    """The same as rows of a database, and questions to it."""
    database = Database(sqlite_url(folder / "records.sqlite"), is_writer=True)
    database.migrate()
    stored = schema.encoded
    with database.writing() as connection:
        line_id = 0
        for record, words in library:
            taken, added = record.taken_at, record.added_at
            connection.execute(
                sa.insert(schema.images).values(
                    image_id=record.image_id,
                    sha256=record.sha256,
                    size=record.size,
                    name=stored(record.name),
                    path=None if record.path is None else stored(record.path),
                    is_upload=False,
                    format=record.format,
                    width=record.width,
                    height=record.height,
                    taken_at=None if taken is None else taken.isoformat(),
                    added_at=None if added is None else added.isoformat(),
                    state="present",
                )
            )
            for tag in words.tags:
                form = {"tag": stored(tag.text), "folded": stored(schema_folded(tag.text))}
                connection.execute(sa.insert(schema.tag_forms).prefix_with("OR IGNORE").values(form))
                values = {"source": tag.source, "tag": stored(tag.text), "score": tag.score}
                connection.execute(sa.insert(schema.tags).values(image_id=record.image_id, **values))
            for caption in words.captions:
                connection.exec_driver_sql(
                    "INSERT INTO captions (image_id, source, text, score) VALUES (?, ?, ?, 0)",
                    (record.image_id, caption.source, stored(caption.text)),
                )
            for line in words.lines:
                line_id += 1
                connection.exec_driver_sql(
                    "INSERT INTO text_lines VALUES (?, ?, 0, ?, ?, 1, 'Latn', '')",
                    (line_id, record.image_id, stored(line.text), bytes(32)),
                )

    def with_words(text: str) -> list[int]:
        wanted = text.casefold()
        return [r.image_id for r, w in library if any(wanted in line.text.casefold() for line in w.lines)]

    return Selections(Records(database, {}), with_words)


def schema_folded(text: str) -> str:
    from ambience.expression import folded

    return folded(text)


@pytest.fixture(scope="module")
def selections(tmp_path_factory: pytest.TempPathFactory) -> Selections:
    return written(tmp_path_factory.mktemp("records"), LIBRARY)


def check(selections: Selections, expression: Expression) -> None:
    expected = [record.image_id for record, words in LIBRARY if keeps(expression, record, words)]
    assert selections.image_ids(expression).tolist() == expected
    asked = list(range(0, 3 * IMAGES + 10, 2))
    assert selections.kept(expression, asked) == set(expected) & set(asked)
    assert selections.count(expression) == len(expected)
    page = selections.page(expression, after=-1, limit=7, newest_first=True)
    assert page == expected[::-1][:7]
    following = selections.page(expression, after=page[-1] if page else 0, limit=500, newest_first=True)
    assert page + following == expected[::-1]
    assert selections.page(expression, after=50, limit=500, newest_first=False) == [
        i for i in expected if i > 50
    ]


@hypothesis_settings(max_examples=300)
@given(expression=expressions(WORDS))
def test_every_filter_agrees_with_a_look_at_every_record(
    selections: Selections, expression: Expression
) -> None:
    check(selections, expression)


@pytest.mark.parametrize(
    "text",
    [
        "winter",
        '"winter"',
        "!winter",
        "WINTER && !forest",
        "winter || -(forest, a&b)",
        "wint*",
        "?inter",
        '"Forest (dark)"',
        "ÉTÉ",
        'name:*"été"*',
        "name:*ÉTÉ*",
        "caption:*t?",
        "path:/photos/1?/*",
        "format:JPG",
        "tag:winter>=0.5",
        "has:tags && !has:caption && has:text && has:date",
        "width>=1919.5 && height<1081",
        "width!=640",
        "megapixels>0.5",
        "aspect==16:9",
        "aspect!=16:9",
        "aspect>1",
        "size>2 MB || size==1kB",
        "date:2020 && date!=2020-05 && date>2020-02-10",
        "!date<=2020-05-31",
        "added>=2020-05-31T18:30:30",
        "id:30||id>350",
        "text:winter && -text:forest",
    ],
)
def test_filters_that_keep_some_and_drop_some(selections: Selections, text: str) -> None:
    expression = parsed(text)
    assert 0 < selections.count(expression) < IMAGES
    check(selections, expression)


def test_the_largest_filter_is_answered(selections: Selections) -> None:
    check(selections, parsed("||".join(f"{i}x || -y{i} && wint{i}*" for i in range(166))))
    nested = "winter"
    for level in range(100):
        nested = f"({nested} {'&&' if level % 2 else '||'} !forest)"
    check(selections, parsed(nested))


def test_characters_of_sql_and_of_patterns_stand_for_themselves(store: Store) -> None:
    odd = ["100%", "a_b", "x[y]z", "it's", "^", "*", "?", "\\", "a;--", "]["]
    store.commit([image_of(number, tags=(tag,), name=f"{tag}.jpg") for number, tag in enumerate(odd)])
    selections = Selections(store.records, lambda _text: [])
    for image_id, tag in enumerate(odd, 1):
        quoted = tag.replace("\\", "\\\\")
        for text in (f'"{quoted}"', f'tag:"{quoted}"', f'name:"{quoted}".*', f'*"{quoted}"*'):
            assert selections.image_ids(parsed(text)).tolist() == [image_id], text


def test_the_share_of_a_filter_is_estimated(store: Store) -> None:
    selections = Selections(store.records, lambda _text: [])
    assert selections.share(parsed("a")) is None
    store.commit([image_of(number, tags=("a",) if number % 4 else ()) for number in range(2 * LEAST_SAMPLE)])
    assert selections.share(parsed("a")) == pytest.approx(0.75, abs=0.05)
    assert selections.share(parsed("b")) == 0
    store.submit(PutFeatures(2**50, made_of(9, "phash"), draft_of(9, path=None)))
    assert selections.share(parsed("a")) is None  # ids lie too far apart


def test_what_changes_is_seen_at_once(store: Store) -> None:
    selections = Selections(store.records, lambda _text: [])
    store.commit([image_of(number, tags=("Day",)) for number in range(5)])
    assert selections.image_ids(parsed("day")).tolist() == [1, 2, 3, 4, 5]
    store.submit(SetTags(2, ("night", "DAY off")))
    store.submit(RemoveImage(4))
    assert selections.image_ids(parsed("day")).tolist() == [1, 3, 5]
    assert selections.image_ids(parsed("day*")).tolist() == [1, 2, 3, 5]
    assert selections.kept(parsed("-night"), [1, 2, 3, 4]) == {1, 3}


def test_features_of_many_images_follow_every_change(store: Store) -> None:
    selections = Selections(store.records, lambda _text: [])
    fingerprint = PHASH.fingerprint
    count = FEW + 500
    for start in range(0, count, 1000):
        numbers = range(start, min(start + 1000, count))
        store.commit([image_of(number, "phash" if number % 3 else "color") for number in numbers])

    def check_all() -> None:
        ids = np.arange(1, count + 1)
        found = store.records.feature_ids(fingerprint, ids)
        assert selections.feature_ids(fingerprint, ids).tolist() == sorted(found[found >= 0].tolist())
        few = ids[:100]
        found = store.records.feature_ids(fingerprint, few)
        assert selections.feature_ids(fingerprint, few).tolist() == sorted(found[found >= 0].tolist())

    check_all()
    store.commit([RemoveImage(2), RemoveImage(3), image_of(count + 7, "phash")])
    store.submit(PutFeatures(5, made_of(9_999, "phash"), renews=True))
    check_all()
    count += 1
    check_all()


def test_a_library_of_the_version_before_gains_the_table(tmp_path: Path) -> None:
    with Store.open(tmp_path, KINDS, writer=True) as store:
        store.commit([image_of(1, tags=("Été",)), image_of(2, tags=("été", "Sea"))])
    with closing(sqlite3.connect(tmp_path / "records.sqlite")) as connection:
        connection.execute("DROP TABLE removals_elsewhere")
        connection.execute("DROP TABLE decisions")
        connection.execute("DROP TABLE source_urls")
        connection.execute("DROP TABLE tag_forms")
        connection.execute("UPDATE alembic_version SET version_num = '0003'")
        connection.commit()
    with Store.open(tmp_path, KINDS, writer=False) as reader:
        selections = Selections(reader.records, lambda _text: [])
        with pytest.raises(StoreError, match="earlier version"):
            selections.count(parsed("sea"))
        with Store.open(tmp_path, KINDS, writer=True) as store:
            assert Selections(store.records, lambda _text: []).count(parsed("ÉTÉ")) == 2
        assert selections.image_ids(parsed("sea")).tolist() == [2]


def test_numbers_and_scores_are_compared_exactly(store: Store) -> None:
    store.commit([image_of(1, size=2**53 + 1), image_of(2, size=2**53)])
    selections = Selections(store.records, lambda _text: [])
    assert selections.image_ids(parsed(f"size>{2**53}")).tolist() == [1]
    assert selections.image_ids(parsed(f"size=={2**53}.5")).tolist() == []
    assert selections.image_ids(parsed(f"size!={2**53}.5")).tolist() == [1, 2]
