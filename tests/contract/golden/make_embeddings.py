"""Makes the golden values of embeddings with transformers, timm, open_clip and torchvision; run by hand.

python tests/contract/golden/make_embeddings.py ENVIRONMENT

ENVIRONMENT is a folder: a virtual environment is made there, with the references in it, unless it is there.
Ambience itself runs the first half and starts the second one in it, which needs no skimage and no Ambience.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parent
REFERENCE = (
    "torch==2.13.0", "torchvision==0.28.0", "transformers==5.23.0", "timm==1.0.31", "open_clip_torch==3.3.0",
    "tokenizers==0.23.3", "onnx==1.23.2", "onnxscript==0.7.2", "numpy>=2", "pillow>=11.3",
)  # fmt: skip

sys.path.insert(0, str(FOLDER.parents[1]))

from support.tiny_networks import CONTEXT, DIM, SIDE, TEXTS, drawn  # noqa: E402

LARGE = 1024
"""Bytes of a tensor from which on it is drawn anew, not kept."""

KEPT = 8192
"""Bytes at most of one that an exporter has calculated, and which is kept as it is."""

Fed = dict[str, Any]


def environment(folder: Path) -> Path:
    """The Python of an environment that has the references; made where there is none."""
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=120)
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *REFERENCE]
        subprocess.run(install, check=True, timeout=2400, capture_output=True)
        (folder / "ready").touch()
    return python


def make_reference(python: Path, folder: Path) -> None:
    """Exported files, tokenizers and what the references make of pictures and texts, written to a folder.

    Args:
        python: of the references' environment.
        folder: for `golden.npz`, `golden.json`, `tokenizer_clip.json` and `tokenizer_gemma.json`.
    """
    from support.tiny_pictures import pictures

    np.savez(folder / "pictures.npz", *pictures())
    run = [python, "-W", "ignore", __file__, "--reference", folder]
    subprocess.run(run, check=True, timeout=900, capture_output=True)


class Reference:
    """What is made of every small network: files without weights, and embeddings.

    Attributes:
        arrays: bytes of the exported files by "row/file", and embeddings by "row/pictures" and "row/texts".
        gaps: of the exported files.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.arrays: dict[str, np.ndarray] = {}
        self.gaps: dict[str, list[list[Any]]] = {}
        with np.load(folder / "pictures.npz") as kept:
            self.pictures = [kept[name] for name in kept.files]

    def keep_export(self, row: str, file: str, module: Any, fed: Fed, output: str, **choices: Any) -> None:
        """Exports a module and takes the weights out of the file."""
        import onnx
        import torch

        place = self.folder / "export.onnx"
        choices = {"dynamo": False, "input_names": list(fed), "output_names": [output]} | choices
        torch.onnx.export(module, tuple(fed.values()), str(place), external_data=False, **choices)
        data = place.read_bytes()
        named = {f"{row}/{name}": each.detach().numpy() for name, each in module.state_dict().items()}
        gaps = []
        for tensor in onnx.load(place).graph.initializer:
            if len(tensor.raw_data) >= LARGE:
                found = data.index(tensor.raw_data)
                if data.count(tensor.raw_data) != 1:
                    raise ValueError(f"{tensor.name} of {row} is there twice")
                origin = _origin(onnx.numpy_helper.to_array(tensor), named)
                if origin is not None:
                    gaps.append([found, *origin, len(tensor.raw_data)])
        gaps.sort()
        pieces, at = b"", 0
        for found, *_, size in gaps:
            pieces += data[at:found]
            at = found + size
        self.gaps[f"{row}/{file}"] = [gap[:-1] for gap in gaps]
        self.arrays[f"{row}/{file}"] = np.frombuffer(pieces + data[at:], np.uint8)

    def keep_embeddings(self, row: str, kind: str, made: Any) -> None:
        """Keeps embeddings, of unit length."""
        vectors = made.detach().numpy().astype(np.float64)
        self.arrays[f"{row}/{kind}"] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _origin(values: np.ndarray, named: dict[str, np.ndarray]) -> list[Any] | None:
    """The tensor that one is of, which of its rows (exporters split some), and its order of axes."""
    for name, tensor in named.items():
        third = len(tensor) // 3 if tensor.ndim else 0
        for start, end in (
            (0, len(tensor) if tensor.ndim else 0),
            *((n * third, n * third + third) for n in range(3)),
            (third, 3 * third),
        ):
            rows = tensor[start:end] if tensor.ndim else tensor
            for axes in ([*range(tensor.ndim)], [*range(tensor.ndim)][::-1]):
                if rows.size == values.size and np.array_equal(rows.transpose(axes).ravel(), values.ravel()):
                    return [name, list(tensor.shape), [start, end], axes]
    if values.nbytes > KEPT:
        raise ValueError(f"nothing that a tensor of shape {values.shape} would come from")
    return None


def drawn_into(row: str, module: Any) -> Any:
    """A module with the weights that are drawn by its tensors' names, ready to run."""
    import torch

    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if tensor.is_floating_point():
                tensor.copy_(torch.from_numpy(drawn(f"{row}/{name}", tuple(tensor.shape))))
    return module.eval()


def tower(module: Any, call: Callable[[Any, Any], Any]) -> Any:
    """A module that does one thing of another one, under that one's names of tensors."""
    import torch

    class Tower(torch.nn.Module):
        def forward(self, given: Any) -> Any:
            return call(module, given)

        def state_dict(self, *args: Any, **choices: Any) -> Any:
            return module.state_dict(*args, **choices)

    made = Tower()
    made.inner = module
    return made.eval()


def trained(lowercase: Any, *, is_clip: bool) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Vocabulary and merges of a small BPE, learnt from the texts; ties fall differently at every call."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    choices: dict[str, Any] = {"end_of_word_suffix": "</w>"} if is_clip else {}
    learner = Tokenizer(models.BPE(**choices))
    if is_clip:
        learner.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Whitespace(), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
        )
        alphabet = pre_tokenizers.ByteLevel.alphabet()
    else:
        learner.normalizer = normalizers.Sequence([lowercase, normalizers.Replace(" ", "▁")])
        learner.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
        alphabet = []
    trainer = trainers.BpeTrainer(vocab_size=700, initial_alphabet=alphabet, show_progress=False, **choices)
    learner.train_from_iterator([text.lower() for text in TEXTS[:14]] * 2, trainer)
    model = json.loads(learner.to_str())["model"]
    return model["vocab"], [tuple(pair) for pair in model["merges"]]


@cache
def clip_tokenizer() -> Any:
    """CLIP's tokenizer of transformers, over a vocabulary of our own."""
    from tokenizers import normalizers
    from transformers import CLIPTokenizer

    learnt, merges = trained(normalizers.Lowercase(), is_clip=True)
    tokens = [*learnt]
    tokens += [f"{each}</w>" for each in tokens if len(each) == 1 and f"{each}</w>" not in learnt]
    vocabulary = {token: place for place, token in enumerate([*tokens, "<|startoftext|>", "<|endoftext|>"])}
    return CLIPTokenizer(vocab=vocabulary, merges=merges)


@cache
def gemma_tokenizer() -> Any:
    """SigLIP 2's tokenizer of transformers, over a vocabulary of our own."""
    from tokenizers import normalizers
    from transformers import Siglip2Tokenizer

    learnt, merges = trained(normalizers.Lowercase(), is_clip=False)
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    octets = [f"<0x{value:02X}>" for value in range(256)]
    vocabulary = {token: place for place, token in enumerate([*special, *octets, *learnt])}
    return Siglip2Tokenizer(vocab=vocabulary, merges=merges, add_eos_token=True, padding_side="right")


def run_reference(folder: Path) -> None:
    """The half that runs in the references' environment."""
    import torch

    mend_torchvision()
    torch.set_num_threads(1)
    torch.backends.mha.set_fastpath_enabled(False)  # an operator that ONNX does not know
    kept = Reference(folder)
    with torch.no_grad():
        for make in (make_clip, make_siglip, make_datacomp, make_dinov2, make_beit, make_sscd):
            make(kept)
    np.savez_compressed(folder / "golden.npz", **kept.arrays)
    (folder / "golden.json").write_text(json.dumps(kept.gaps, separators=(",", ":")) + "\n", encoding="utf-8")


@cache
def mend_torchvision() -> Any:
    """torchvision as PyPI has it is made for PyTorch with CUDA; without it, these operators are missing.

    Returns:
        What holds them, for as long as it is kept.
    """
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library


def make_clip(kept: Reference) -> None:
    """CLIP of transformers, squashed by a bilinear filter as the original system did."""
    import torch
    from transformers import CLIPConfig, CLIPModel
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    row = "clip-vit-b16"
    tokenizer = clip_tokenizer()
    (kept.folder / "tokenizer_clip.json").write_text(tokenizer.backend_tokenizer.to_str(), encoding="utf-8")
    shared = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = CLIPConfig(
        text_config=shared | {"vocab_size": len(tokenizer), "max_position_embeddings": CONTEXT[row],
                              "eos_token_id": tokenizer.eos_token_id, "bos_token_id": tokenizer.bos_token_id},
        vision_config=shared | {"image_size": SIDE, "patch_size": 16},
        projection_dim=DIM[row],
    )  # fmt: skip
    model = drawn_into(row, CLIPModel(config))
    size = {"height": SIDE, "width": SIDE}
    processor = CLIPImageProcessorPil(size=size, do_center_crop=False, resample=2)
    pixels = torch.cat([processor(each, return_tensors="pt")["pixel_values"] for each in kept.pictures])
    ids = tokenizer(
        [*TEXTS], padding="max_length", truncation=True, max_length=CONTEXT[row], return_tensors="pt"
    )
    ids = ids["input_ids"]
    seen = tower(model, lambda inner, given: inner.visual_projection(inner.vision_model(given).pooler_output))
    read = tower(model, lambda inner, given: inner.text_projection(inner.text_model(given).pooler_output))
    kept.keep_embeddings(row, "pictures", seen(pixels))
    kept.keep_embeddings(row, "texts", read(ids))
    free = {0: "batch"}
    for file, module, name, fed, output in (
        ("onnx/vision_model.onnx", seen, "pixel_values", pixels[:2], "image_embeds"),
        ("onnx/text_model.onnx", read, "input_ids", ids[:2], "text_embeds"),
    ):
        kept.keep_export(row, file, module, {name: fed}, output, dynamic_axes={name: free, output: free})


def make_siglip(kept: Reference) -> None:
    """SigLIP 2: published for one example at a time with int32 tokens, and for any number with int64."""
    import torch
    from transformers import SiglipConfig, SiglipModel
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    tokenizer = gemma_tokenizer()
    said = json.loads(tokenizer.backend_tokenizer.to_str())
    said["normalizer"] = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}  # as it is published
    (kept.folder / "tokenizer_gemma.json").write_text(json.dumps(said, ensure_ascii=False), encoding="utf-8")
    shared = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    processor = SiglipImageProcessorPil(size={"height": SIDE, "width": SIDE}, resample=2)
    pixels = torch.cat([processor(each, return_tensors="pt")["pixel_values"] for each in kept.pictures])
    for row, patch in (("siglip2-b32-256", 32), ("siglip2-b16-256", 16)):
        text = {"vocab_size": len(tokenizer), "max_position_embeddings": CONTEXT[row], "projection_size": 64}
        config = SiglipConfig(
            text_config=shared | text, vision_config=shared | {"image_size": SIDE, "patch_size": patch}
        )
        model = drawn_into(row, SiglipModel(config))
        fed = tokenizer(
            [*TEXTS], padding="max_length", truncation=True, max_length=CONTEXT[row], return_tensors="pt"
        )
        ids = fed["input_ids"]
        seen = tower(model, lambda inner, given: inner.vision_model(given).pooler_output)
        read = tower(model, lambda inner, given: inner.text_model(given).pooler_output)
        kept.keep_embeddings(row, "pictures", seen(pixels))
        kept.keep_embeddings(row, "texts", read(ids))
        if patch == 32:
            seen = tower(model, lambda inner, given: _unit(inner.vision_model(given).pooler_output))
            read = tower(model, lambda inner, given: _unit(inner.text_model(given.long()).pooler_output))
            kept.keep_export(row, "visual/model.onnx", seen, {"image": pixels[:1]}, "embedding")
            kept.keep_export(row, "textual/model.onnx", read, {"text": ids[:1].int()}, "embedding")
            continue
        many = {"dynamo": True, "dynamic_shapes": ({0: "batch"},), "verbose": False}
        name = "pooler_output"
        kept.keep_export(row, "onnx/vision_model.onnx", seen, {"pixel_values": pixels[:2]}, name, **many)
        kept.keep_export(row, "onnx/text_model.onnx", read, {"input_ids": ids[:2]}, name, **many)


def _unit(vectors: Any) -> Any:
    return vectors / vectors.norm(dim=-1, keepdim=True)


def make_datacomp(kept: Reference) -> None:
    """CLIP of open_clip, cropped by its own transform."""
    import open_clip
    import torch
    from PIL import Image

    row = "datacomp-b32-256"
    tokenizer = clip_tokenizer()
    vision = {"layers": 2, "width": 64, "head_width": 16, "patch_size": 32, "image_size": SIDE}
    text = {
        "context_length": CONTEXT[row],
        "vocab_size": len(tokenizer),
        "width": 64,
        "heads": 4,
        "layers": 2,
    }
    model = drawn_into(row, open_clip.model.CLIP(DIM[row], vision, text))
    prepare = open_clip.image_transform(SIDE, is_train=False)
    pixels = torch.stack([prepare(Image.fromarray(each)) for each in kept.pictures])
    fed = tokenizer([*TEXTS], padding="max_length", truncation=True, max_length=CONTEXT[row])
    ids = torch.tensor(fed["input_ids"]) * torch.tensor(fed["attention_mask"])  # open_clip fills up with 0
    seen = tower(model, lambda inner, given: inner.encode_image(given))
    read = tower(model, lambda inner, given: inner.encode_text(given))
    kept.keep_embeddings(row, "pictures", seen(pixels))
    kept.keep_embeddings(row, "texts", read(ids))
    free = {"dynamic_axes": {"input": {0: "batch"}, "output": {0: "batch"}}}
    folder = "ViT-B-32-256-datacomp_s34b_b86k"
    kept.keep_export(row, f"{folder}/visual.onnx", seen, {"input": pixels[:2]}, "output", **free)
    kept.keep_export(row, f"{folder}/textual.onnx", read, {"input": ids[:2]}, "output", **free)


def make_dinov2(kept: Reference) -> None:
    """DINOv2 of transformers, whose first token is the embedding."""
    import torch
    from transformers import Dinov2Config, Dinov2Model
    from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil

    row = "dinov2-s14"
    config = Dinov2Config(
        hidden_size=DIM[row],
        num_hidden_layers=2,
        num_attention_heads=4,
        mlp_ratio=2,
        image_size=98,
        patch_size=16,
    )
    model = drawn_into(row, Dinov2Model(config))
    processor = BitImageProcessorPil(
        size={"shortest_edge": SIDE * 8 // 7}, crop_size={"height": SIDE, "width": SIDE}, resample=3,
        image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225],
    )  # fmt: skip
    pixels = torch.cat([processor(each, return_tensors="pt")["pixel_values"] for each in kept.pictures])
    seen = tower(model, lambda inner, given: inner(given).last_hidden_state)
    kept.keep_embeddings(row, "pictures", seen(pixels)[:, 0])
    free = {"dynamic_axes": {"pixel_values": {0: "batch"}, "last_hidden_state": {0: "batch"}}}
    fed = {"pixel_values": pixels[:2]}
    kept.keep_export(row, "onnx/model.onnx", seen, fed, "last_hidden_state", **free)


def make_beit(kept: Reference) -> None:
    """BEiT of timm without its head, squashed by a bilinear filter as the original system did."""
    import timm
    import torch

    row = "beit-b16-224-in22k"
    model = timm.create_model(
        "beit_base_patch16_224", pretrained=False, num_classes=0, img_size=SIDE, embed_dim=DIM[row], depth=3,
        num_heads=4,
    )  # fmt: skip
    model = drawn_into(row, model)
    pixels = torch.stack([_squashed(each, [0.5] * 3, [0.5] * 3, SIDE) for each in kept.pictures])
    kept.keep_embeddings(row, "pictures", model(pixels))
    shapes = {name: list(each.shape) for name, each in model.state_dict().items()}
    kept.gaps[f"{row}/model.safetensors"] = [[name, shape] for name, shape in shapes.items()]


def make_sscd(kept: Reference) -> None:
    """SSCD over torchvision's ResNet, as its authors put it together."""
    import torch
    from torchvision.models.resnet import Bottleneck, ResNet

    row = "sscd-disc"

    class Pooling(torch.nn.Module):
        def forward(self, given: Any) -> Any:
            return given.flatten(2).clamp(min=1e-6).pow(3.0).mean(dim=2).pow(1 / 3.0)

    backbone = ResNet(Bottleneck, [2, 1, 2, 1], num_classes=DIM[row], width_per_group=8)
    backbone.avgpool = Pooling()
    model = drawn_into(row, torch.nn.ModuleDict({"backbone": backbone}))
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    pixels = torch.stack([_squashed(each, mean, std, 2 * SIDE) for each in kept.pictures])
    kept.keep_embeddings(row, "pictures", model["backbone"](pixels))
    shapes = {name: list(each.shape) for name, each in model.state_dict().items()}
    kept.gaps[f"{row}/sscd_disc_mixup.torchvision.pt"] = [[name, shape] for name, shape in shapes.items()]


def _squashed(picture: np.ndarray, mean: list[float], std: list[float], side: int) -> Any:
    from PIL import Image
    from torchvision import transforms

    steps = [transforms.Resize((side, side)), transforms.ToTensor(), transforms.Normalize(mean, std)]
    return transforms.Compose(steps)(Image.fromarray(picture))


def main() -> None:
    """Writes `embeddings.npz`, `embeddings.json`, `tokenizer_clip.json` and `tokenizer_gemma.json`."""
    with tempfile.TemporaryDirectory() as made_in:
        folder = Path(made_in)
        make_reference(environment(Path(sys.argv[1])), folder)
        for made, name in (
            ("golden.npz", "embeddings.npz"),
            ("golden.json", "embeddings.json"),
            ("tokenizer_clip.json", "tokenizer_clip.json"),
            ("tokenizer_gemma.json", "tokenizer_gemma.json"),
        ):
            (FOLDER / name).write_bytes((folder / made).read_bytes())


if __name__ == "__main__":
    if sys.argv[1] == "--reference":
        run_reference(Path(sys.argv[2]))
    else:
        main()
