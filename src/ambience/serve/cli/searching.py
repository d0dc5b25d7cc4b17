"""`ambience search`: one question, one ranked answer."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ambience.errors import AmbienceError, QueryError
from ambience.serve.cli.output import (
    counted,
    distance,
    say,
    shown,
    shown_path,
    write_json,
    write_raw_line,
    write_table,
)
from ambience.serve.cli.session import Session

if TYPE_CHECKING:
    from ambience.answers import Answer, Evidence, KindStatus, Match, Query, Region
    from ambience.datatypes import ImageRecord
    from ambience.settings import Settings

LONGEST_FOUND = 40
"""Characters of found words that a table shows."""

FILE_KIND = "sha256"
"""Evidence of the bytes themselves: always distance 0, and said by the verdict already."""


@click.command()
@click.argument("picture", metavar="[FILE|URL|ID]", required=False)
@click.option(
    "--text", "texts", metavar="WORDS", multiple=True, help="Words for what to find; may be repeated."
)
@click.option(
    "--minus",
    "minuses",
    metavar="WORDS",
    multiple=True,
    help="Words for what shall not be found; beside --text or a picture.",
)
@click.option(
    "--region",
    metavar="X,Y,W,H",
    help="Ask with this part of the picture alone: left, top, width and height as shares of its sides, such "
    "as 0.5,0,0.5,1 for the right half.",
)
@click.option(
    "--by", "kinds", metavar="KIND", multiple=True, help="Ask this kind only, such as color; may be repeated."
)
@click.option(
    "--filter",
    "filter_text",
    metavar="FILTER",
    help='Only pictures that it keeps, such as "winter && !forest && width>=1920" (docs/filters.md); alone, '
    "it lists them, newest first.",
)
@click.option("-k", "k", metavar="N", type=click.IntRange(min=1), help="At most so many hits.")
@click.option("--fold", is_flag=True, help="Make one hit of copies of one picture, and say how many it has.")
@click.option("--json", "is_json", is_flag=True, help="Print the whole answer as JSON.")
@click.option("--paths", is_flag=True, help="Print the paths alone, one a line, best first.")
@click.option("--open", "opens", is_flag=True, help="Open the best hit with your picture viewer.")
@click.pass_obj
def search(
    session: Session,
    picture: str | None,
    texts: tuple[str, ...],
    minuses: tuple[str, ...],
    region: str | None,
    kinds: tuple[str, ...],
    filter_text: str | None,
    k: int | None,
    fold: bool,
    is_json: bool,
    paths: bool,
    opens: bool,
) -> int:
    """Finds pictures like the one given, or pictures that words describe.

    A picture is a file, a URL, standard input (-) or the id of a picture of the library; a file whose name is
    a number is said as ./123. Words go beside it or alone:

    \b
      ambience search photo.jpg
      ambience search --text "dog on a beach" --minus snow
      ambience search --text resturant --by text
      ambience search photo.jpg --text "at night"
      ambience search photo.jpg --region 0.5,0,0.5,1
      ambience search photo.jpg --filter "winter && !forest"
      ambience search --filter "date:2020-05 && has:caption"

    Exit status, as of grep: 0 found, 1 nothing found or an
    error.
    """  # noqa: D301 - click keeps the lines after a \b as they are
    if is_json and paths:
        raise click.UsageError("--json and --paths are two forms of the same answer; give one of them")
    if region is not None and picture is None:
        raise click.UsageError("--region is a part of a picture; name the picture as well")
    if picture is None and not texts and not minuses and filter_text is not None:
        if kinds:
            raise click.UsageError("--by says what to ask of a picture or of words; a filter alone asks none")
        if fold:
            raise click.UsageError("--fold is for what a question finds; a filter alone asks none")
        return listing(session, filter_text, k=k, is_json=is_json, paths=paths, opens=opens)
    from ambience.search.combination import described

    question = composed_of(picture, texts, minuses, session.settings, region=_region_of(region))
    name = described(question)
    by = [kind for word in kinds for kind in word.split(",") if kind] or None
    with session.reading() as library:
        answer = library.search(question, by=by, k=k, exclude_self=True, fold=fold, filter=filter_text)
        records = library.images([match.image_id for match in answer.matches])
    matches = [match for match in answer.matches if match.image_id in records]
    if is_json:
        write_json(_as_document(name, answer, matches, records))
    elif paths:
        for match in matches:
            write_raw_line(records[match.image_id].path or records[match.image_id].name)
    elif matches:
        _write_matches(answer, matches, records)
    _write_notes(answer.kinds, has_matches=bool(matches), name=name)
    if opens and matches:
        _open(records[matches[0].image_id])
    return 0 if matches else 1


def composed_of(
    picture: str | None,
    texts: "Sequence[str]",
    minuses: "Sequence[str]",
    settings: "Settings",
    *,
    region: "Region | None" = None,
) -> "Query":
    """What the user asks: a picture, words, or both together.

    Args:
        picture: word of the command line; None where there is none.
        texts: what to find.
        minuses: what shall not be found.
        settings: say how much is fetched and read.
        region: the only part of the picture to ask with.

    Returns:
        A settled question.

    Raises:
        click.UsageError: nothing is said to look for.
        QueryError: the picture or the words are none.
        ImageError: the file is over the limit.
    """
    from ambience.answers import Query, QueryPart
    from ambience.search.combination import MINUS, settled

    if picture is None and not texts:
        raise click.UsageError(
            "say what to look for: a picture (a file, a URL or an id), --text, --filter, or several of these"
        )
    query = Query() if picture is None else question_of(picture, settings)
    parts = [] if picture is None else [QueryPart(query.data, query.image_id, region=region)]
    parts += [QueryPart(text=text) for text in texts]
    parts += [QueryPart(text=text, weight=MINUS) for text in minuses]
    return settled(replace(query, data=None, image_id=None, parts=tuple(parts)))


def _region_of(text: str | None) -> "Region | None":
    """Four shares, parted by commas; `settled` checks that they lie within a picture."""
    if text is None:
        return None
    try:
        x, y, width, height = (float(each) for each in text.split(","))
    except ValueError as exc:
        raise click.UsageError(
            f"--region {text}: give left, top, width and height as shares of the picture's sides, such as "
            "0.5,0,0.5,1"
        ) from exc
    return x, y, width, height


def question_of(word: str, settings: "Settings") -> "Query":
    """What the user means: an address, standard input, an id, or a file.

    Args:
        word: of the command line.
        settings: say how much is fetched and read.

    Returns:
        Bytes of a picture, or the id of one.

    Raises:
        QueryError: it is none of them.
        ImageError: the file is over the limit.
    """
    from ambience.answers import Query

    if word.lower().startswith(("http://", "https://")):
        from ambience.decode.url import fetch

        return Query(data=fetch(word, settings.fetch).data, name=word)
    if word == "-":
        return Query(data=sys.stdin.buffer.read(settings.decode.max_bytes + 1), name="standard input")
    if word.isascii() and word.isdigit():
        return Query(image_id=int(word), name=f"picture {word}")
    return Query(data=_file_bytes(Path(word), settings.decode.max_bytes), name=word)


def _file_bytes(path: Path, limit: int) -> bytes:
    """The bytes of a query file; its first few where it is over the limit, which decoding then names.

    Raises:
        QueryError: it is no regular file, or cannot be read.
    """
    if path.is_dir():
        raise QueryError(f"{path} is a folder; `ambience search` asks with one picture at a time")
    if not path.exists():
        raise QueryError(
            f"no file {path}; a question is a picture file, a http(s) URL, or the id of a picture"
        )
    if not path.is_file():
        raise QueryError(f"{path} is no regular file")
    try:
        with path.open("rb") as file:
            return file.read(limit + 1)
    except OSError as exc:
        raise QueryError(f"cannot read {path}: {exc.strerror or exc}") from exc


def _write_matches(
    answer: "Answer", matches: "Sequence[Match]", records: "Mapping[int, ImageRecord]"
) -> None:
    """A table of the hits; what fits words is said by its score alone, which is all that one kind tells."""
    from ambience.datatypes import Verdict
    from ambience.serve.placement import geometry_of, verdict_words

    is_worded = all(match.verdict is Verdict.SAME_WORDS for match in matches)
    known = {each.kind for match in matches for each in match.evidence}
    told = [status.kind for status in answer.kinds if status.kind in known and status.kind != FILE_KIND]
    kinds = [] if is_worded and len(told) == 1 and "text" not in told else told
    rows = []
    for rank, match in enumerate(matches, start=1):
        figures = {each.kind: _figure(each) for each in match.evidence}
        words = verdict_words(match.verdict, match.orientation, geometry_of(match))
        rows.append(
            [
                str(rank),
                str(match.image_id),
                *([] if is_worded else [words]),
                f"{match.score:.2f}",
                *(figures.get(kind, "–") for kind in kinds),
                _place(records[match.image_id]) + _copies(match),
            ]
        )
    leading = ["#", "id", *([] if is_worded else ["what it is"]), "score"]
    header = [*leading, *(kind.removesuffix("_features") for kind in kinds), "picture"]
    figured = range(len(leading), len(leading) + len(kinds))
    write_table(header, rows, right=frozenset({0, 1, len(leading) - 1, *figured}), spare=frozenset(figured))


def _copies(match: "Match") -> str:
    return f" ({len(match.copies):,} more of this picture)" if match.copies else ""


def _figure(evidence: "Evidence") -> str:
    """What a kind tells: words that were found, or how many places agree, else a distance."""
    if evidence.words:
        found = ", ".join(dict.fromkeys(match.found for match in evidence.words))
        return shown(found if len(found) <= LONGEST_FOUND else found[: LONGEST_FOUND - 1] + "…")
    return distance(evidence.distance) if evidence.geometry is None else f"{evidence.geometry.inliers} places"


def listing(
    session: Session, filter_text: str, *, k: int | None, is_json: bool, paths: bool, opens: bool
) -> int:
    """Shows the pictures that a filter keeps, newest first.

    Returns:
        The exit code: 0 where there are any.

    Raises:
        FilterError: the filter is malformed.
    """
    with session.reading() as library:
        total = library.count_images(filter=filter_text)
        limit = session.settings.search.k if k is None else k
        records = library.list_images(limit=limit, newest_first=True, filter=filter_text)
    if is_json:
        write_json({"filter": filter_text, "total": total, "images": [_as_row(each) for each in records]})
    elif paths:
        for record in records:
            write_raw_line(record.path or record.name)
    elif records:
        rows = [
            [
                str(each.image_id),
                f"{each.width}×{each.height}",
                ", ".join(map(shown, each.tags)),
                _place(each),
            ]
            for each in records
        ]
        write_table(
            ["id", "pixels", "tags", "picture"], rows, right=frozenset({0, 1}), spare=frozenset({1, 2})
        )
    if total > len(records):
        say(f"the newest {len(records):,} of {counted(total, 'picture')}; -k shows more")
    elif not total:
        say(f"no picture is as the filter says: {shown(filter_text)}")
    if opens and records:
        _open(records[0])
    return 0 if records else 1


def _as_row(record: "ImageRecord") -> dict[str, Any]:
    return {
        "image_id": record.image_id,
        "path": record.path,
        "name": record.name,
        "format": record.format,
        "width": record.width,
        "height": record.height,
        "size": record.size,
        "taken_at": record.taken_at,
        "added_at": record.added_at,
        "tags": record.tags,
    }


def _place(record: "ImageRecord") -> str:
    if record.path is None or record.is_upload:
        return f"{shown(record.name)} ({'uploaded' if record.is_upload else 'features only'})"
    is_gone = record.state.value == "missing"
    return shown_path(record.path) + (" (missing)" if is_gone else "")


def _write_notes(statuses: "Sequence[KindStatus]", *, has_matches: bool, name: str) -> None:
    """What the answer lacks, on standard error: kinds that failed or cannot find everything yet."""
    for status in statuses:
        if status.state in ("failed", "late"):
            say(f"{status.kind} {status.state}: {status.message}; the answer is without it")
        elif status.state == "empty":
            say(f"{status.kind} has nothing to go by: {status.message or 'the query is too plain'}")
        elif status.message:
            say(f"{status.kind}: {status.message}")
        if status.pending:
            say(f"{status.kind} cannot find {counted(status.pending, 'picture')} yet, still in work")
    if not has_matches:
        asked = ", ".join(status.kind for status in statuses) or "no kind"
        say(f"nothing found for {name} (asked {asked})")


def _open(record: "ImageRecord") -> None:
    if record.path is None:
        raise AmbienceError(f"picture {record.image_id} is no file of yours to open; the page shows uploads")
    click.launch(record.path)


def _as_document(
    name: str,
    answer: "Answer",
    matches: "Sequence[Match]",
    records: "Mapping[int, ImageRecord]",
) -> dict[str, Any]:
    """The whole answer, with name and path of each picture."""
    return {
        "query": name,
        "matches": [
            {
                "rank": rank,
                "image_id": match.image_id,
                "path": records[match.image_id].path,
                "name": records[match.image_id].name,
                "verdict": match.verdict,
                "score": match.score,
                "orientation": match.orientation,
                "evidence": match.evidence,
                "copies": match.copies,
            }
            for rank, match in enumerate(matches, start=1)
        ],
        "kinds": answer.kinds,
        "took_s": answer.took_s,
    }
