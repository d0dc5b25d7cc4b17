"""Makes the golden values of the scene models with PyTorch and torchvision; run by hand.

python tests/contract/golden/make_places365.py ENVIRONMENT

ENVIRONMENT is a folder: a virtual environment is made there, with the references in it, unless it is there.
Ambience itself runs the first half and starts the second one in it.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parents[1]))
sys.path.insert(0, str(FOLDER))

import make_embeddings  # noqa: E402

from support.tiny_networks import SIDE, drawn  # noqa: E402

CLASSES, ATTRIBUTES = 365, 102
RESIZE = SIDE * 8 // 7
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def make_reference(python: Path, folder: Path) -> None:
    """What the references make of pictures, written to a folder.

    Args:
        python: of the references' environment.
        folder: for `places365.npz`, the answers by the models' names, and `places365.json`, shapes of their
            tensors.
    """
    from support.tiny_pictures import pictures

    np.savez(folder / "pictures.npz", *pictures())
    run = [python, "-W", "ignore", __file__, "--reference", folder]
    subprocess.run(run, check=True, timeout=900, capture_output=True)


def run_reference(folder: Path) -> None:
    """The half that runs in the references' environment."""
    import torch

    make_embeddings.mend_torchvision()
    torch.set_num_threads(1)
    with np.load(folder / "pictures.npz") as kept:
        pictures = [kept[name] for name in kept.files]
    made, shapes = {}, {}
    with torch.no_grad():
        for name, make in (("places365-resnet50", classes), ("places365-wideresnet18", attributes)):
            module, answers = make(name, pictures)
            made[name] = answers.numpy()
            shapes[name] = {f"module.{key}": list(each.shape) for key, each in module.state_dict().items()}
    np.savez_compressed(folder / "places365.npz", **made)
    text = json.dumps(shapes, separators=(",", ":")) + "\n"
    (folder / "places365.json").write_text(text, encoding="utf-8")


def classes(name: str, pictures: list[Any]) -> tuple[Any, Any]:
    """Logits of torchvision's ResNet, over what its own transforms make of pictures."""
    from torchvision import transforms
    from torchvision.models.resnet import Bottleneck, ResNet

    model = make_embeddings.drawn_into(
        f"{name}/module", ResNet(Bottleneck, [2, 1, 2, 1], num_classes=CLASSES, width_per_group=8)
    )
    steps = [transforms.Resize((RESIZE, RESIZE)), transforms.CenterCrop(SIDE)]
    return model, model(_batch(pictures, steps))


def attributes(name: str, pictures: list[Any]) -> tuple[Any, Any]:
    """Responses of the authors' network: torchvision's ResNet of basic blocks, less its first pooling."""
    import torch
    from torchvision import transforms
    from torchvision.models.resnet import BasicBlock, ResNet

    model = ResNet(BasicBlock, [2, 1, 2, 1], num_classes=CLASSES)
    model.maxpool = torch.nn.Identity()
    model.avgpool = torch.nn.AvgPool2d(SIDE // 16)
    narrow(model)
    model = make_embeddings.drawn_into(f"{name}/module", model)
    pooled: list[Any] = []
    model.avgpool.register_forward_hook(lambda _module, _given, made: pooled.append(made.flatten(1)))
    model(_batch(pictures, [transforms.Resize((SIDE, SIDE))]))
    matrix = torch.from_numpy(drawn(f"{name}/matrix", (ATTRIBUTES, pooled[0].shape[1])))
    return model, pooled[0] @ matrix.T


def narrow(model: Any, divisor: int = 8) -> None:
    """Makes every layer of a network as many times narrower, so that its weights are few."""
    import torch

    for module in list(model.modules()):
        for name, each in module.named_children():
            if isinstance(each, torch.nn.Conv2d):
                coming = each.in_channels if each.in_channels == 3 else each.in_channels // divisor
                made: Any = torch.nn.Conv2d(
                    coming,
                    each.out_channels // divisor,
                    each.kernel_size,
                    each.stride,
                    each.padding,
                    bias=False,
                )
            elif isinstance(each, torch.nn.BatchNorm2d):
                made = torch.nn.BatchNorm2d(each.num_features // divisor)
            elif isinstance(each, torch.nn.Linear):
                made = torch.nn.Linear(each.in_features // divisor, each.out_features)
            else:
                continue
            setattr(module, name, made)


def _batch(pictures: list[Any], steps: list[Any]) -> Any:
    import torch
    from PIL import Image
    from torchvision import transforms

    prepare = transforms.Compose([*steps, transforms.ToTensor(), transforms.Normalize(MEAN, STD)])
    return torch.stack([prepare(Image.fromarray(each)) for each in pictures])


def main() -> None:
    """Writes `places365.npz` and `places365.json`."""
    with tempfile.TemporaryDirectory() as made_in:
        folder = Path(made_in)
        make_reference(make_embeddings.environment(Path(sys.argv[1])), folder)
        for name in ("places365.npz", "places365.json"):
            (FOLDER / name).write_bytes((folder / name).read_bytes())


if __name__ == "__main__":
    if sys.argv[1] == "--reference":
        run_reference(Path(sys.argv[2]))
    else:
        main()
