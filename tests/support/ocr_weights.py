"""The OCR model, installed once by its real way, pip, into a folder that outlives the test runs."""

import os
from pathlib import Path

import platformdirs

from ambience.models.catalog import model_row
from ambience.models.folder import ModelFolder
from ambience.models.install import Installer
from ambience.settings import ModelSettings

NAME = "ppocr-v6-small"


def ocr_models() -> Path:
    """Folder of models that holds it: what OCR_TEST_MODELS names, else one of the user's cache."""
    usual = Path(platformdirs.user_cache_dir("ambience-tests", appauthor=False)) / "models"
    folder = Path(os.environ.get("OCR_TEST_MODELS") or usual)
    Installer(ModelFolder(folder)).from_hub(model_row(NAME), ModelSettings(folder=folder))
    return folder
