"""The OCR model, installed where it is not yet."""

from pathlib import Path

import pytest

from support.ocr_weights import ocr_models


@pytest.fixture(scope="session")
def models_folder() -> Path:
    return ocr_models()
