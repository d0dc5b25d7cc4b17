"""Every model that is known, one row each: what it is for, what its files are and where they are had.

Kinds ask `runtime.Models` for a model by the name of its row and never see a file or an address.
"""

from collections.abc import Mapping

from ambience.errors import ModelError
from ambience.models.hub_rows import HUB_ROWS
from ambience.models.row import HUB, ModelFile, ModelRow, Pixels, Task, Tokens, Tower

__all__ = ["CATALOG", "HUB", "ModelFile", "ModelRow", "Pixels", "Task", "Tokens", "Tower", "model_row"]

# Neither author states a sha256. Those below are what projects that use the files state of their copies: of
# HardNet's, two that know nothing of each other; of HardNet8's, one of these two. The sizes are what PyTorch
# itself writes for these tensors, in the form of the file's day.
_ROWS = (
    ModelRow(
        name="hardnet8",
        title="HardNet8: 32×32 patches to 128 numbers, 8 layers and a projection (2020)",
        task="patch_descriptor",
        graph="hardnet",
        repository="kornia/hardnet",
        files=(
            ModelFile(
                name="hardnet8v2.pt",
                size=36_163_489,
                sha256="5982f6d2c647545f13e74e8b011110fea2408130015a1496713253d9c00a941b",
                elsewhere=("http://cmp.felk.cvut.cz/~mishkdmy/hardnet8v2.pt",),
            ),
        ),
        licence="MIT",
        dim=128,
        input_size=32,
    ),
    ModelRow(
        name="hardnet",
        title="HardNet: 32×32 patches to 128 numbers, 7 layers (2017)",
        task="patch_descriptor",
        graph="hardnet",
        repository="kornia/hardnet",
        files=(
            ModelFile(
                name="checkpoint_liberty_with_aug.pth",
                size=5_345_580,
                sha256="1e9a41b19f1dc93c986e91df9aaf5696d1a777ac1d67498492856a65d6f49c16",
                elsewhere=(
                    "https://github.com/DagnyT/hardnet/raw/master/pretrained/train_liberty_with_aug/"
                    "checkpoint_liberty_with_aug.pth",
                ),
            ),
        ),
        licence="MIT",
        dim=128,
        input_size=32,
    ),
)

CATALOG: Mapping[str, ModelRow] = {row.name: row for row in (*HUB_ROWS, *_ROWS)}
"""Rows by name."""


def model_row(name: str, catalog: Mapping[str, ModelRow] = CATALOG) -> ModelRow:
    """The row of a model.

    Args:
        name: of the row.
        catalog: in which it is looked up.

    Returns:
        The row.

    Raises:
        ModelError: there is none of that name; the message lists what there is.
    """
    if name not in catalog:
        raise ModelError(f"no model {name!r}; have {', '.join(sorted(catalog))}")
    return catalog[name]
