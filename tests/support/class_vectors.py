"""What the starter makes once in a folder of models, some seconds of work, made once for all such folders."""

import os
import shutil
from pathlib import Path

from ambience.models.folder import ModelFolder
from ambience.models.runtime import Models

STARTER = "starter"


def give_class_vectors(models: Path) -> None:
    """Links into a folder of models where the names of ImageNet's classes stand, unless it holds that."""
    made = ModelFolder.at(None).root / STARTER
    if not made.exists():
        Models().embedder(STARTER).embed_pictures([])  # keeps them in the data folder of the tests
    if not (models / STARTER).exists():
        shutil.copytree(made, models / STARTER, copy_function=os.link)
