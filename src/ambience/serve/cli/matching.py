"""`ambience match`: whether one picture shows what another does, where, and the drawing that proves it."""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ambience.serve.cli.faults import explain
from ambience.serve.cli.output import say, shown, write_json
from ambience.serve.cli.searching import question_of
from ambience.serve.cli.session import Session

if TYPE_CHECKING:
    from ambience.answers import Comparison, Query
    from ambience.library import Library
    from ambience.serve.handover import Handover
    from ambience.serve.proof import ProofFormat

EXIT_MATCH, EXIT_NONE, EXIT_TROUBLE = 0, 1, 2

FORMATS: "dict[str, ProofFormat]" = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png"}
"""By the ending of a file's name."""


@click.command()
@click.argument("query", metavar="A")
@click.argument("image", metavar="B")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Draw the proof: both pictures, where each lies in the other, and what matches (.jpg or .png).",
)
@click.option("--json", "is_json", is_flag=True, help="Print JSON, with the transform and the corners.")
@click.pass_obj
def match(session: Session, query: str, image: str, output: Path | None, is_json: bool) -> int:
    """Says what picture A is of picture B.

    A copy, a crop, a picture that holds it, another view of the same scene, one that looks alike or has the
    same colors, or nothing of the kind; and what proves it or speaks for it. Each is a file, a URL, standard
    input (-) or the id of a picture of the library; two files need no library. Exit status, as of cmp and
    diff: 0 they show the same, 1 they do not, 2 an error.
    """
    if output is not None and output.suffix.lower() not in FORMATS:
        raise click.UsageError(f"-o {output}: a proof is drawn as {', '.join(FORMATS)}; name the file so")
    try:
        asked = question_of(query, session.settings), question_of(image, session.settings)
        with _comparing(session, asked) as library:
            comparison = _with_short_names(library.match(*asked))
        if output is not None:
            _draw(comparison, output)
    except Exception as exc:  # noqa: BLE001 - a boundary of its own: trouble is no "no" here
        explain(exc, with_traceback=session.verbosity > 1)
        return EXIT_TROUBLE
    if is_json:
        write_json(_as_document(comparison, output))
    else:
        _write(comparison)
    return EXIT_MATCH if _shows_the_same(comparison) else EXIT_NONE


def _shows_the_same(comparison: "Comparison") -> bool:
    """Whether one shows what the other does; who only looks alike does not."""
    from ambience.datatypes import STRENGTH, Verdict

    found = comparison.match
    return found is not None and STRENGTH[found.verdict] <= STRENGTH[Verdict.SAME_SCENE]


@contextlib.contextmanager
def _comparing(session: Session, asked: "tuple[Query, ...]") -> "Iterator[Library | Handover]":
    """What compares the pictures: the library where ids are asked about, else one that is thrown away."""
    from ambience import library

    if any(each.image_id is not None for each in asked):
        with session.reading() as held:
            yield held
        return
    with tempfile.TemporaryDirectory(prefix="ambience-") as folder:
        settings = replace(session.settings, library=Path(folder))
        with library.open(settings=settings, writer=True, purpose="match") as made:
            yield made


def _with_short_names(comparison: "Comparison") -> "Comparison":
    """Files by their names alone, as both are said side by side."""
    names = (Path(name).name or name for name in (comparison.query_name, comparison.image_name))
    return replace(comparison, query_name=next(names), image_name=next(names))


def _draw(comparison: "Comparison", output: Path) -> None:
    from ambience.serve.proof import draw_proof

    output.write_bytes(draw_proof(comparison, format=FORMATS[output.suffix.lower()]))
    say(f"drew {output}")


def _write(comparison: "Comparison") -> None:
    from ambience.serve.placement import place
    from ambience.serve.proof import caption_of

    title, *facts = caption_of(comparison)
    click.echo(title.replace("   ·   ", ", "))
    geometry = comparison.geometry
    if geometry is not None:
        box = place(geometry, comparison.image.width, comparison.image.height)
        click.echo(
            f"  {shown(comparison.query_name)} covers x {box.x}, y {box.y}, {box.width} × {box.height} "
            f"of {shown(comparison.image_name)} ({comparison.image.width} × {comparison.image.height})"
        )
    for fact in facts:
        for part in fact.split("   ·   "):
            click.echo(f"  {shown(part)}")


def _as_document(comparison: "Comparison", output: Path | None) -> dict[str, Any]:
    from ambience.serve.placement import place, turn_deg

    found, geometry = comparison.match, comparison.geometry
    query, image = comparison.query, comparison.image
    return {
        "query": {"name": comparison.query_name, "width": query.width, "height": query.height},
        "image": {"name": comparison.image_name, "width": image.width, "height": image.height},
        "verdict": None if found is None else found.verdict,
        "score": None if found is None else found.score,
        "place": None if geometry is None else place(geometry, image.width, image.height),
        "turn_deg": None if geometry is None else turn_deg(geometry),
        "geometry": geometry,
        "alignment": comparison.alignment,
        "colors": comparison.colors,
        "evidence": [replace(each, geometry=None) for each in comparison.evidence],
        "notes": comparison.notes,
        "proof": output,
    }
