"""Makes the golden values of HardNet, HardNet8 and of checkpoints with PyTorch and Kornia; run by hand.

python tests/contract/golden/make_hardnet.py ENVIRONMENT

ENVIRONMENT is a folder: a virtual environment is made there, with the reference in it, unless it is there.
Ambience itself runs the first half and starts the second one in it.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent
REFERENCE = ("torch==2.13.0", "kornia==0.9.0", "numpy>=2")
MODELS = ("hardnet8", "hardnet")
KEPT = {"hardnet8": 515, "hardnet": 160}
"""Descriptors kept of each model: all of the one that is meant to be used."""
KEPT_PATCHES = slice(None, None, 65)


def environment(folder: Path) -> Path:
    """The Python of an environment that has the reference; made where there is none."""
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=120)
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *REFERENCE]
        subprocess.run(install, check=True, timeout=1500, capture_output=True)
        (folder / "ready").touch()
    return python


def make_reference(python: Path, folder: Path) -> dict[str, np.ndarray]:
    """What the reference makes of the random weights and of frames on real photographs.

    Args:
        python: of the reference's environment.
        folder: for files on the way.

    Returns:
        "patches" (515, 32, 32), and descriptors (515, 128) by the models' names.
    """
    sys.path.insert(0, str(FOLDER.parents[1]))
    from support.checkpoints import checkpoint
    from support.hardnet import PER_PHOTO, greys, random_places, random_weights

    pictures = greys()
    places = {f"places{n}": random_places(grey, PER_PHOTO, n) for n, grey in enumerate(pictures)}
    np.savez(folder / "inputs.npz", **{f"grey{n}": grey for n, grey in enumerate(pictures)}, **places)
    for name in MODELS:
        (folder / f"{name}.pt").write_bytes(checkpoint(random_weights(name), old=name == "hardnet"))
    subprocess.run([python, __file__, "--reference", folder], check=True, timeout=600)
    with np.load(folder / "outputs.npz") as made:
        return dict(made)


def run_reference(folder: Path) -> None:
    """The half that runs in the reference's environment."""
    import kornia.feature as reference
    import torch

    torch.set_num_threads(1)
    patches = []
    with np.load(folder / "inputs.npz") as inputs:
        for n in range(len(inputs.files) // 2):
            grey = torch.from_numpy(inputs[f"grey{n}"].astype(np.float32) / 255)[None, None]
            at = torch.from_numpy(inputs[f"places{n}"])[None]
            frames = reference.laf_from_center_scale_ori(
                at[..., :2], 6.0 * at[..., 2, None, None], -at[..., 3, None]
            )
            patches.append(reference.extract_patches_from_pyramid(grey, frames, PS=32)[0])
    cut = torch.cat(patches)
    made = {"patches": cut[:, 0].numpy()}
    for name, model in (("hardnet8", reference.HardNet8(False)), ("hardnet", reference.HardNet(False))):
        said = torch.load(folder / f"{name}.pt", weights_only=True)
        missing, unknown = model.load_state_dict(said.get("state_dict", said), strict=False)
        if unknown or any(not each.endswith("num_batches_tracked") for each in missing):
            raise ValueError(f"{name}: {missing} {unknown}")
        with torch.no_grad():
            made[name] = model.eval()(cut).numpy()
    np.savez(folder / "outputs.npz", **made)
    write_checkpoints(folder)


def write_checkpoints(folder: Path) -> None:
    """Small checkpoints of every type and layout that is read, in both forms, and what they hold."""
    import torch

    generator = torch.Generator().manual_seed(1)
    whole = torch.randn(4, 6, generator=generator)
    said = {
        "float32": whole,
        "float64": whole.double() / 3,
        "float16": whole.half(),
        "bfloat16": whole.bfloat16(),
        "int64": torch.arange(-2, 3),
        "int32": torch.arange(6, dtype=torch.int32),
        "int16": torch.arange(3, dtype=torch.int16),
        "int8": torch.arange(-3, 2, dtype=torch.int8),
        "uint8": torch.arange(7, dtype=torch.uint8),
        "bool": torch.tensor([True, False]),
        "transposed": whole.T,
        "part": whole[1:3, 2:],
        "scalar": torch.tensor(3.5),
        "parameter": torch.nn.Parameter(torch.ones(3)),
        "empty": torch.zeros(0, 3),
        "shape": whole.shape,
    }
    torch.save(said, folder / "checkpoint.pt")
    torch.save(
        {"epoch": 3, "rate": 0.5, "state_dict": said},
        folder / "checkpoint_old.pth",
        _use_new_zipfile_serialization=False,
    )
    torch.save(torch.nn.Linear(2, 2), folder / "checkpoint_module.pt")
    listed = {
        name: each.detach().float().tolist()
        for name, each in said.items()
        if isinstance(each, torch.Tensor) and each.numel()
    }
    (folder / "checkpoint.json").write_text(json.dumps(listed) + "\n", encoding="utf-8")


def main() -> None:
    """Writes `hardnet.npz` and the files `checkpoint*`."""
    with tempfile.TemporaryDirectory() as made_in:
        folder = Path(made_in)
        made = make_reference(environment(Path(sys.argv[1])), folder)
        kept = {name: made[name][: KEPT[name]].astype(np.float16) for name in MODELS}
        np.savez_compressed(
            FOLDER / "hardnet.npz", patches=made["patches"][KEPT_PATCHES].astype(np.float16), **kept
        )
        for file in folder.glob("checkpoint*"):
            (FOLDER / file.name).write_bytes(file.read_bytes())


if __name__ == "__main__":
    if sys.argv[1] == "--reference":
        run_reference(Path(sys.argv[2]))
    else:
        main()
