"""Where the weights of models lie on this machine: one folder a model, named after its row."""

from dataclasses import dataclass
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
        """Where a file of a model belongs."""
        return self.root / row.name / file.name

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


def _how_to_get(row: ModelRow, file: ModelFile, place: Path) -> str:
    megabytes = f"{file.size / 1e6:.1f} MB"
    return (
        f"the weights of the model {row.name} are not here: {place} is missing. Fetch {file.name} "
        f"({megabytes}, licence {row.licence}) from {' or '.join(row.addresses(file))} and put it there, or "
        "name the folder that holds the models' folders by the setting models.folder"
    )
