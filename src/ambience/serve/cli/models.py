"""`ambience models`: which there are; install, verify, use and remove them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ambience.serve.cli import choosing
from ambience.serve.cli.output import counted, say, shown, shown_path, size, write_json, write_table
from ambience.serve.cli.progress import InstallingProgress
from ambience.serve.cli.session import Session

if TYPE_CHECKING:
    from ambience.datatypes import FeatureSpec
    from ambience.models.folder import ModelFolder
    from ambience.models.install import Installer, InstallReport
    from ambience.models.row import ModelRow
    from ambience.serve.model_infos import ModelInfo


@click.group()
def models() -> None:
    """Lists, installs, uses and removes models.

    Kinds that know what a picture means ask models for it. Some come with Ambience; better ones are fetched
    from a hub, or from a folder where there is no network (docs/models.md).
    """


@models.command("list")
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def list_models(session: Session, is_json: bool) -> None:
    """Lists every model that is known."""
    infos = _infos(session)
    if is_json:
        write_json(infos)
        return
    rows = [
        [each.name, each.makes, _size(each), each.licence, _state(each), ", ".join(each.used_by), each.title]
        for each in infos
    ]
    header = ["model", "finds", "size", "licence", "installed", "used by", "what it is"]
    write_table(header, rows, right=frozenset({2}))


@models.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME…")
@click.option(
    "--from",
    "source",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Folder that holds the files, for machines without a network.",
)
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def install(session: Session, names: tuple[str, ...], source: Path | None, is_json: bool) -> None:
    """Installs models, from the hub or from a folder.

    What broke off, by Ctrl-C as well, is gone on with by the same command. Files that are there and right are
    left alone.
    """
    from ambience.models.install import Installer

    folder = _folder(session)
    installer = Installer(folder, tell=say)
    rows = _rows(session, names)
    reports = [_installed(session, installer, row, source) for row in rows]
    if is_json:
        write_json(reports)
        return
    for row, report in zip(rows, reports, strict=True):
        _tell_installed(row, report, folder)


@models.command()
@click.argument("names", nargs=-1, metavar="[NAME]…")
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def verify(session: Session, names: tuple[str, ...], is_json: bool) -> int:
    """Reads installed models and compares size and sha256.

    All that are installed, or those named. Exit status: 0 all is well, 1 a file is missing or another one.
    """
    from ambience.errors import ModelError

    folder, said = _folder(session), {}
    rows = _rows(session, names or tuple(session.models))
    if not names:
        rows = [row for row in rows if folder.is_installed(row)]
    for row in rows:
        try:
            folder.verify(row)
            said[row.name] = ""
        except ModelError as exc:
            said[row.name] = str(exc)
    if is_json:
        write_json(said)
    else:
        for name, problem in said.items():
            click.echo(f"{name}: {shown(problem) or 'all is well'}")
        if not said:
            say("no model is installed")
    return 1 if any(said.values()) else 0


@models.command()
@click.argument("name")
@click.option("--force", is_flag=True, help="Also one that is in use; its kinds then wait for it.")
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def remove(session: Session, name: str, force: bool, is_json: bool) -> None:
    """Deletes the files of a model.

    Features made with it stay. Its sha256 stays recorded, so that only the same model is installed again
    under its name.
    """
    from ambience.errors import InstallError
    from ambience.models.catalog import model_row
    from ambience.models.install import Installer

    row = model_row(name, session.models)
    (info,) = [each for each in _infos(session) if each.name == name]
    if info.used_by and not (force or info.comes_with_ambience):
        raise InstallError(
            f"{name} is used by {' and '.join(info.used_by)}; choose another model for it first "
            f"(ambience models use), or give --force"
        )
    freed = Installer(_folder(session), tell=say).remove(row)
    if is_json:
        write_json({"removed": name, "bytes": freed})
    elif freed:
        click.echo(f"removed {name}, {size(freed)}")
    else:
        click.echo(f"{name} is not installed")


models.add_command(choosing.use)


def _folder(session: Session) -> "ModelFolder":
    from ambience.models.folder import ModelFolder

    return ModelFolder.at(session.settings.models.folder)


def _infos(session: Session) -> "list[ModelInfo]":
    from ambience.serve.model_infos import model_infos

    return model_infos(_folder(session), _specs(session), session.models)


def _specs(session: Session) -> "list[FeatureSpec]":
    """What kinds declare: those of the library, with models that are coming; else what settings say."""
    from dataclasses import replace

    from ambience.errors import StoreError
    from ambience.making import make_extractors

    try:
        with session.reading() as library:
            kinds = library.info().kinds.values()
        coming = [replace(row.spec, model=row.coming.model) for row in kinds if row.coming is not None]
        return [*(row.spec for row in kinds), *coming]
    except StoreError:
        return [extractor.spec for extractor in make_extractors(session.settings).values()]


def _rows(session: Session, names: Sequence[str]) -> "list[ModelRow]":
    """Rows of models, and of those that they are made of, each once."""
    from ambience.models.catalog import model_row
    from ambience.serve.model_infos import with_parts

    rows = [row for name in names for row in with_parts(model_row(name, session.models), session.models)]
    return list({row.name: row for row in rows if row.files}.values())


def _installed(
    session: Session, installer: "Installer", row: "ModelRow", source: Path | None
) -> "InstallReport":
    with InstallingProgress() as progress:
        if source is not None:
            return installer.from_folder(row, source, on_progress=progress.show)
        return installer.from_hub(row, session.settings.models, on_progress=progress.show)


def _tell_installed(row: "ModelRow", report: "InstallReport", folder: "ModelFolder") -> None:
    if all(file.package for file in row.files):
        click.echo(f"{row.name} comes with Ambience; there is nothing to install")
        return
    if not report.files:
        click.echo(f"{row.name} is installed already, and its files are right")
        return
    place = shown_path(str(folder.folder(row)))
    click.echo(
        f"installed {row.name}: {counted(len(report.files), 'file')}, {size(report.bytes)}, in {place}"
    )
    if report.first_seen:
        say(
            f"nobody states the sha256 of {', '.join(report.first_seen)}; it is recorded now, and later "
            "installs are held to it"
        )


def _size(info: "ModelInfo") -> str:
    return size(info.size) if info.is_size_exact else f"~ {size(info.size)}"


def _state(info: "ModelInfo") -> str:
    if info.comes_with_ambience:
        return "comes with it" if info.is_installed else "broken"
    return "yes" if info.is_installed else "no"
