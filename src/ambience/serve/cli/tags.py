"""`ambience tags`: what pictures are tagged with, tags of one's own, and the lists of words for tags."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ambience.serve.cli.adding import no_wait_option
from ambience.serve.cli.output import counted, shown, write_json, write_table
from ambience.serve.cli.session import Session

if TYPE_CHECKING:
    from ambience.annotate._vocabularies import Vocabularies

SHOWN_WORDS = 8
"""Words of a list that are named."""


@click.group()
def tags() -> None:
    """Shows and sets tags, and keeps the lists of words for them.

    Machines give tags as well (docs/words.md); they never change those that people gave.
    """


@tags.command("show")
@click.argument("image_ids", nargs=-1, required=True, metavar="ID…", type=click.IntRange(min=0))
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def show(session: Session, image_ids: tuple[int, ...], is_json: bool) -> None:
    """Shows the tags of pictures, by id."""
    with session.reading() as library:
        found = {image_id: library.image(image_id).tags for image_id in image_ids}
    if is_json:
        write_json(found)
        return
    for image_id, texts in found.items():
        click.echo(f"{image_id}: {', '.join(map(shown, texts)) or '(no tags)'}")


@tags.command("set")
@click.argument("image_id", metavar="ID", type=click.IntRange(min=0))
@click.argument("texts", nargs=-1, metavar="[TAG]…")
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
@no_wait_option
@click.pass_obj
def set_tags(session: Session, image_id: int, texts: tuple[str, ...], is_json: bool, no_wait: bool) -> None:
    """Replaces the tags that people gave a picture; without any tag, it has none of theirs.

    A comma parts tags as well: `ambience tags set 7 winter,forest` is `ambience tags set 7 winter forest`.
    """
    given = list(dict.fromkeys(tag for text in texts for each in text.split(",") if (tag := each.strip())))
    with session.writing("tags", wait=not no_wait) as library:
        library.set_tags(image_id, given)
    if is_json:
        write_json({"image_id": image_id, "tags": given})
    else:
        click.echo(f"{image_id}: {', '.join(map(shown, given)) or '(no tags of people)'}")


@tags.group()
def vocabulary() -> None:
    """Keeps lists of words that pictures may be tagged with.

    A list is a text file in UTF-8, one word or phrase a line; lines that begin with # are passed over.
    Where a list came, changed or went, `ambience annotate --only tags` tags pictures anew; so does a server
    when it starts.
    """


@vocabulary.command("add")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--name", metavar="NAME", help="What it is called; by default what the file is called.")
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def add_vocabulary(session: Session, file: Path, name: str | None, is_json: bool) -> None:
    """Keeps a list in the library, in the place of one of the same name."""
    from ambience.annotate._vocabularies import MAX_BYTES, parsed_words
    from ambience.errors import VocabularyError

    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)
    except OSError as exc:
        raise VocabularyError(f"{file} cannot be read: {exc.strerror or exc}") from exc
    words = parsed_words(data, str(file))
    made = _vocabularies(session).add(name or file.stem.lower().replace(" ", "-"), words)
    if is_json:
        write_json({"name": made.name, "words": len(made.words)})
    else:
        click.echo(f"{made.name}: {counted(len(made.words), 'word')}")


@vocabulary.command("list")
@click.option("--json", "is_json", is_flag=True, help="Print JSON, with every word.")
@click.pass_obj
def list_vocabularies(session: Session, is_json: bool) -> None:
    """Lists those that come along and those of the library."""
    found = _vocabularies(session).all()
    if is_json:
        write_json([{"name": each.name, "is_own": each.is_own, "words": each.words} for each in found])
        return
    rows = []
    for each in found:
        more = ", …" if len(each.words) > SHOWN_WORDS else ""
        rows.append(
            [
                each.name,
                f"{len(each.words):,}",
                "your own" if each.is_own else "comes along",
                ", ".join(map(shown, each.words[:SHOWN_WORDS])) + more,
            ]
        )
    write_table(["list", "words", "whose", "begins with"], rows, right=frozenset({1}))


@vocabulary.command("remove")
@click.argument("name", metavar="NAME")
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def remove_vocabulary(session: Session, name: str, is_json: bool) -> None:
    """Forgets a list of the library; the tags that it gave go as pictures are tagged anew."""
    _vocabularies(session).remove(name)
    if is_json:
        write_json({"removed": name})
    else:
        click.echo(f"{name} is removed")


def _vocabularies(session: Session) -> "Vocabularies":
    """The lists of the library that the options name, which must be there."""
    from ambience.annotate._vocabularies import Vocabularies
    from ambience.errors import StoreError

    folder = session.settings.library
    if not folder.is_dir():
        raise StoreError(f"no library in {folder}; make one with `ambience add FOLDER`")
    return Vocabularies(folder)
