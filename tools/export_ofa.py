"""Writes the files of the model `ofa-large-caption` from a checkpoint of its authors; run once, with PyTorch.

python tools/export_ofa.py CHECKPOINT DIR [--tokenizer FILE]
ambience models install ofa-large-caption --from DIR

CHECKPOINT is `caption_large_best_clean.pt` of the OFA project (fairseq), or the `pytorch_model.bin` of the
same architecture in transformers' form; sizes are read off its tensors. FILE is the `tokenizer.json` of BART,
whose first 50,265 tokens are OFA's; by default it is looked for beside CHECKPOINT. Needs `torch`, `onnx` and
`tokenizers`.

Only numbers are read from a checkpoint: objects of any other kind are replaced by empty ones.

Source: Wang et al., "OFA: Unifying Architectures, Tasks, and Modalities Through a Simple
Sequence-to-Sequence Learning Framework", ICML 2022; layers and tables are those of the published checkpoints.
"""

import argparse
import math
import pickle
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn
from torch.nn import functional

PROMPT = " what does the image describe?"
START, END = 0, 2
SIDE = 480
STRIDE = 16
"""Pixels of a side that become one cell of the grid."""

RENAMED = (
    (r"\bencoder_attn\b", "cross_attn"),
    (r"\bencoder_attn_layer_norm\b", "cross_attn_layer_norm"),
    (r"\bcross_attn_ln\b", "cross_attn_mid_layer_norm"),
    (r"\bself_attn_ln\b|\battn_ln\b", "self_attn_mid_layer_norm"),
    (r"\bffn_layernorm\b", "ffn_layer_norm"),
)
"""Names of fairseq, and those of transformers."""


@dataclass(frozen=True)
class Sizes:
    """What a checkpoint's tensors say of the network.

    Attributes:
        width: numbers of a token.
        heads: of every attention.
        deep: numbers inside of the feed-forward layers.
        layers: of encoder and decoder.
        stages: blocks of the three stages of the network that looks.
        channels: of its first convolution.
        vocabulary: tokens.
        positions: of sentences, at most.
        token_buckets: distances of tokens that are told apart, to one side.
        image_buckets: cells of a side of the largest grid.
    """

    width: int
    heads: int
    deep: int
    layers: int
    stages: tuple[int, int, int]
    channels: int
    vocabulary: int
    positions: int
    token_buckets: int
    image_buckets: int


class Attention(nn.Module):
    """Attention whose heads are scaled, with a bias for positions."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.heads = sizes.heads
        self.scale = (sizes.width / sizes.heads * 2) ** -0.5
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            setattr(self, name, nn.Linear(sizes.width, sizes.width))
        self.c_attn = nn.Parameter(torch.ones(sizes.heads))

    def apart(self, given: torch.Tensor) -> torch.Tensor:
        """(B, T, width) as (B, heads, T, width / heads)."""
        return given.unflatten(2, (self.heads, -1)).transpose(1, 2)

    def keys(self, given: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values of what is attended to."""
        return self.apart(self.k_proj(given)), self.apart(self.v_proj(given))

    def forward(
        self, asks: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, bias: torch.Tensor
    ) -> torch.Tensor:
        """(B, T, width) from questions (B, T, width), keys and values, and a bias of (heads, T, S)."""
        scores = self.apart(self.q_proj(asks) * self.scale) @ keys.transpose(2, 3) + bias
        found = scores.softmax(dim=3) @ values * self.c_attn[:, None, None]
        return self.out_proj(found.transpose(1, 2).flatten(2))


class Layer(nn.Module):
    """One layer of encoder or decoder, with NormFormer's extra norms."""

    def __init__(self, sizes: Sizes, *, is_decoder: bool) -> None:
        super().__init__()
        self.self_attn = Attention(sizes)
        norms = ["self_attn_layer_norm", "self_attn_mid_layer_norm", "final_layer_norm"]
        if is_decoder:
            self.cross_attn = Attention(sizes)
            norms += ["cross_attn_layer_norm", "cross_attn_mid_layer_norm"]
        for name in norms:
            setattr(self, name, nn.LayerNorm(sizes.width))
        self.fc1 = nn.Linear(sizes.width, sizes.deep)
        self.fc2 = nn.Linear(sizes.deep, sizes.width)
        self.ffn_layer_norm = nn.LayerNorm(sizes.deep)

    def fed_forward(self, given: torch.Tensor) -> torch.Tensor:
        """States with what the feed-forward half of the layer adds."""
        deep = functional.gelu(self.fc1(self.final_layer_norm(given)))
        return given + self.fc2(self.ffn_layer_norm(deep))


class Block(nn.Module):
    """One bottleneck of ResNet."""

    def __init__(self, inside: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inside, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.downsample = None
        if stride > 1 or inside != 4 * width:
            self.downsample = nn.Sequential(
                nn.Conv2d(inside, 4 * width, 1, stride, bias=False), nn.BatchNorm2d(4 * width)
            )

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        """(B, 4 width, H / stride, W / stride)."""
        made = functional.relu(self.bn1(self.conv1(given)))
        made = functional.relu(self.bn2(self.conv2(made)))
        made = self.bn3(self.conv3(made))
        return functional.relu(made + (given if self.downsample is None else self.downsample(given)))


class Eyes(nn.Module):
    """The first three stages of ResNet."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        inside = sizes.channels
        self.conv1 = nn.Conv2d(3, inside, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(inside)
        for number, blocks in enumerate(sizes.stages):
            width = sizes.channels * 2**number
            stage = [Block(inside, width, 1 if number == 0 else 2)]
            stage += [Block(4 * width, width, 1) for _ in range(blocks - 1)]
            setattr(self, f"layer{number + 1}", nn.Sequential(*stage))
            inside = 4 * width

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """(B, 16 channels, H / 16, W / 16)."""
        made = functional.max_pool2d(functional.relu(self.bn1(self.conv1(pixels))), 3, 2, 1)
        return self.layer3(self.layer2(self.layer1(made)))


class Encoder(nn.Module):
    """Looks at a picture, and reads the question."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        width, heads = sizes.width, sizes.heads
        self.sizes = sizes
        self.embed_tokens = nn.Embedding(sizes.vocabulary, width)
        self.embed_images = Eyes(sizes)
        self.image_proj = nn.Linear(16 * sizes.channels, width)
        self.type_embedding = nn.Embedding(2, width)
        self.embed_positions = nn.Embedding(sizes.positions, width)
        self.embed_image_positions = nn.Embedding(sizes.image_buckets**2 + 1, width)
        for name in ("pos_ln", "image_pos_ln", "layernorm_embedding", "patch_layernorm_embedding"):
            setattr(self, name, nn.LayerNorm(width))
        self.layer_norm = nn.LayerNorm(width)
        self.pos_q_linear = nn.Linear(width, width)
        self.pos_k_linear = nn.Linear(width, width)
        tables = (2 * sizes.token_buckets - 1, (2 * sizes.image_buckets - 1) ** 2 + 3)
        self.layers = nn.ModuleList(Layer(sizes, is_decoder=False) for _ in range(sizes.layers))
        for name, rows in zip(("token", "image"), tables, strict=True):
            made = nn.ModuleList(nn.Embedding(rows, heads) for _ in range(sizes.layers))
            setattr(self, f"{name}_rel_pos_table_list", made)

    def positions(self, cells: int, tokens: int) -> torch.Tensor:
        """Embeddings of the places of a grid of cells × cells, then of the question: (S, width)."""
        down, across = torch.meshgrid(torch.arange(cells), torch.arange(cells), indexing="ij")
        places = (down * self.sizes.image_buckets + across + 1).flatten()
        of_cells = self.image_pos_ln(self.embed_image_positions(places))
        return torch.cat([of_cells, self.pos_ln(self.embed_positions(torch.arange(tokens)))])

    def forward(self, pixels: torch.Tensor, question: torch.Tensor) -> torch.Tensor:
        """(B, S, width): cells of the picture, then the question, which is the same for all of them."""
        return self.encoded(pixels, self.embed_tokens(question))

    def encoded(self, pixels: torch.Tensor, question: torch.Tensor) -> torch.Tensor:
        """The same of a question that is embedded, (T, width)."""
        seen = self.embed_images(pixels)
        cells, tokens = seen.shape[2], len(question)
        seen = self.image_proj(seen.flatten(2).transpose(1, 2)) + self.type_embedding.weight[1]
        read = self.layernorm_embedding(question + self.type_embedding.weight[0])
        read = read.expand(seen.shape[0], -1, -1)
        states = torch.cat([self.patch_layernorm_embedding(seen), read], dim=1)
        places = self.positions(cells, tokens)
        absolute = biased(places, places, self.pos_q_linear, self.pos_k_linear, self.sizes)
        of_cells, of_tokens = self.distances(cells, tokens)
        for layer, cell_table, token_table in zip(
            self.layers, self.image_rel_pos_table_list, self.token_rel_pos_table_list, strict=True
        ):
            near = functional.pad(cell_table(of_cells).permute(2, 0, 1), (0, tokens, 0, tokens))
            far = (cells * cells, 0, cells * cells, 0)
            near = near + functional.pad(token_table(of_tokens).permute(2, 0, 1), far)
            asks = layer.self_attn_layer_norm(states)
            found = layer.self_attn(asks, *layer.self_attn.keys(asks), absolute + near)
            states = layer.fed_forward(states + layer.self_attn_mid_layer_norm(found))
        return self.layer_norm(states)

    def distances(self, cells: int, tokens: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Rows of the tables of relative positions: (cells², cells²), and (T, T)."""
        most = self.sizes.image_buckets
        down, across = torch.meshgrid(torch.arange(cells), torch.arange(cells), indexing="ij")
        down, across = down.flatten(), across.flatten()
        rows = (down[:, None] - down + most - 1) * (2 * most - 1) + across[:, None] - across + most - 1
        return rows, token_distances(tokens, self.sizes)


class Decoder(nn.Module):
    """Says the next token."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        width = sizes.width
        self.sizes = sizes
        self.embed_tokens = nn.Embedding(sizes.vocabulary, width)
        self.embed_positions = nn.Embedding(sizes.positions, width)
        for name in ("pos_ln", "layernorm_embedding", "layer_norm"):
            setattr(self, name, nn.LayerNorm(width))
        for name in ("self_pos_q", "self_pos_k", "cross_pos_q", "cross_pos_k"):
            setattr(self, f"{name}_linear", nn.Linear(width, width))
        self.layers = nn.ModuleList(Layer(sizes, is_decoder=True) for _ in range(sizes.layers))
        rows = 2 * sizes.token_buckets - 1
        made = nn.ModuleList(nn.Embedding(rows, sizes.heads) for _ in range(sizes.layers))
        self.token_rel_pos_table_list = made

    def forward(
        self, tokens: torch.Tensor, hidden: torch.Tensor, source: torch.Tensor, *past: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        """Scores (B, 1, vocabulary) behind one token, and keys and values of all so far.

        Args:
            tokens: (B, 1) the newest.
            hidden: (B, S, width) of the encoder.
            source: (S, width) positions of what the encoder read.
            past: keys and values (B, heads, T, width / heads) of every layer.
        """
        before = past[0].shape[2]
        places = self.pos_ln(self.embed_positions.weight[: before + 1])
        here = places[before : before + 1]
        of_tokens = biased(here, places, self.self_pos_q_linear, self.self_pos_k_linear, self.sizes)
        of_source = biased(here, source, self.cross_pos_q_linear, self.cross_pos_k_linear, self.sizes)
        rows = token_distances(before + 1, self.sizes)[before : before + 1]
        states = self.layernorm_embedding(self.embed_tokens(tokens))
        present: list[torch.Tensor] = []
        for number, (layer, table) in enumerate(zip(self.layers, self.token_rel_pos_table_list, strict=True)):
            asks = layer.self_attn_layer_norm(states)
            made = zip(past[2 * number : 2 * number + 2], layer.self_attn.keys(asks), strict=True)
            keys, values = (torch.cat(pair, dim=2) for pair in made)
            present += [keys, values]
            found = layer.self_attn(asks, keys, values, of_tokens + table(rows).permute(2, 0, 1))
            states = states + layer.self_attn_mid_layer_norm(found)
            asks = layer.cross_attn_layer_norm(states)
            found = layer.cross_attn(asks, *layer.cross_attn.keys(hidden), of_source)
            states = layer.fed_forward(states + layer.cross_attn_mid_layer_norm(found))
        return (functional.linear(self.layer_norm(states), self.embed_tokens.weight), *present)


class Ofa(nn.Module):
    """Both halves, which share the embeddings of tokens."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.encoder = Encoder(sizes)
        self.decoder = Decoder(sizes)
        self.decoder.embed_tokens = self.encoder.embed_tokens

    def nothing_before(self, rows: int) -> list[torch.Tensor]:
        """Keys and values of no token."""
        width = self.sizes.width // self.sizes.heads
        return [torch.zeros(rows, self.sizes.heads, 0, width) for _ in range(2 * self.sizes.layers)]


def biased(asks: torch.Tensor, keys: torch.Tensor, of_asks: Any, of_keys: Any, sizes: Sizes) -> torch.Tensor:
    """Bias of attention between absolute places (T, width) and (S, width): (heads, T, S)."""
    scale = (sizes.width / sizes.heads * 2) ** -0.5
    left = of_asks(asks).unflatten(1, (sizes.heads, -1)).transpose(0, 1) * scale
    return left @ of_keys(keys).unflatten(1, (sizes.heads, -1)).permute(1, 2, 0)


def token_distances(count: int, sizes: Sizes) -> torch.Tensor:
    """Rows of a table for every pair of tokens: near distances one by one, far ones by their logarithm."""
    return distance_rows(sizes)[:count, :count]


def distance_rows(sizes: Sizes) -> torch.Tensor:
    """`token_distances` of a sentence of the longest length."""
    buckets, most = sizes.token_buckets, sizes.positions - 2
    middle = buckets // 2
    places = torch.arange(most)
    apart = places[:, None] - places
    size = apart.abs().clamp(min=middle - 1).masked_fill(apart.abs() < middle, middle - 1)
    logarithms = (size / middle).log() / math.log((most - 1) / middle) * (middle - 1)
    far = (logarithms.ceil() + middle).int() * apart.sign()
    return torch.where(size <= middle, apart, far).long() + buckets - 1


class WrittenEncoder(nn.Module):
    """The encoder with the question inside, and without the embeddings of all other tokens."""

    def __init__(self, model: Ofa, question: list[int]) -> None:
        super().__init__()
        self.encoder = model.encoder
        self.register_buffer("question", model.encoder.embed_tokens(torch.tensor(question)).detach())

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """(B, S, width)."""
        return self.encoder.encoded(pixels, self.question)


class WrittenDecoder(nn.Module):
    """The decoder with the places of the encoder inside: they are the same for every picture."""

    def __init__(self, model: Ofa, question: list[int], side: int) -> None:
        super().__init__()
        self.decoder = model.decoder
        cells = math.ceil(side / STRIDE)
        self.register_buffer("source", model.encoder.positions(cells, len(question)).detach())

    def forward(
        self, tokens: torch.Tensor, hidden: torch.Tensor, *past: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        """Scores, keys and values; see `Decoder`."""
        return self.decoder(tokens, hidden, self.source, *past)


def write_graphs(model: Ofa, question: list[int], folder: Path, *, side: int = SIDE) -> None:
    """Writes `encoder_model.onnx` and `decoder_model.onnx`.

    Args:
        model: ready to run.
        question: its tokens, those at both ends included.
        folder: that they are written to.
        side: pixels of a side of the pictures.
    """
    # Folding would write the embeddings of tokens a second time, the other way round.
    choices = {"dynamo": False, "opset_version": 17, "external_data": False, "do_constant_folding": False}
    pixels = torch.zeros(2, 3, side, side)
    encoder = WrittenEncoder(model, question).eval()
    decoder = WrittenDecoder(model, question, side).eval()
    names = [f"{number}.{what}" for number in range(model.sizes.layers) for what in ("key", "value")]
    taken, made = [f"past_key_values.{name}" for name in names], [f"present.{name}" for name in names]
    rows, grown = {0: "batch"}, {0: "batch", 2: "tokens"}
    with torch.no_grad():
        torch.onnx.export(
            encoder, (pixels,), str(folder / "encoder_model.onnx"), input_names=["pixel_values"],
            output_names=["last_hidden_state"],
            dynamic_axes={"pixel_values": rows, "last_hidden_state": rows}, **choices,
        )  # fmt: skip
        hidden = encoder(pixels)
        past = [each.new_zeros(2, each.shape[1], 3, each.shape[3]) for each in model.nothing_before(2)]
        torch.onnx.export(
            decoder, (torch.zeros(2, 1, dtype=torch.long), hidden, *past), str(folder / "decoder_model.onnx"),
            input_names=["input_ids", "encoder_hidden_states", *taken], output_names=["logits", *made],
            dynamic_axes={"input_ids": rows, "encoder_hidden_states": {0: "batch", 1: "places"},
                          "logits": rows} | dict.fromkeys([*taken, *made], grown), **choices,
        )  # fmt: skip


class _Nothing:
    """Stands for every object of a checkpoint that is no tensor."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, _: Any) -> None:
        pass


class _Unpickler(pickle.Unpickler):
    """Makes tensors and plain collections, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        is_tensor = module == "torch._utils" and name in ("_rebuild_tensor_v2", "_rebuild_parameter")
        is_kind = module == "torch" and name.endswith(("Storage", "Size"))
        if is_tensor or is_kind or (module, name) == ("collections", "OrderedDict"):
            return super().find_class(module, name)
        return _Nothing


def read_tensors(checkpoint: Path) -> dict[str, torch.Tensor]:
    """Tensors of a checkpoint, under transformers' names.

    Args:
        checkpoint: of fairseq or transformers.

    Returns:
        By name.
    """
    only_tensors = SimpleNamespace(Unpickler=_Unpickler, load=pickle.load, __name__="only_tensors")
    read = torch.load(checkpoint, map_location="cpu", pickle_module=only_tensors, weights_only=False)
    read = read.get("model", read)
    tensors = {}
    for name, tensor in read.items():
        for old, new in RENAMED:
            name = re.sub(old, new, name)
        tensors[name.removeprefix("model.")] = tensor.float() if tensor.is_floating_point() else tensor
    return tensors


def sizes_of(tensors: dict[str, torch.Tensor]) -> Sizes:
    """What tensors say of the network."""

    def count(pattern: str) -> int:
        found = (re.match(pattern, name) for name in tensors)
        return 1 + max(int(match[1]) for match in found if match)

    vocabulary, width = tensors["encoder.embed_tokens.weight"].shape
    first, second, third = (count(rf"encoder\.embed_images\.layer{n}\.(\d+)\.") for n in (1, 2, 3))
    return Sizes(
        width=width,
        heads=len(tensors["encoder.layers.0.self_attn.c_attn"]),
        deep=len(tensors["encoder.layers.0.fc1.bias"]),
        layers=count(r"encoder\.layers\.(\d+)\."),
        stages=(first, second, third),
        channels=len(tensors["encoder.embed_images.bn1.weight"]),
        vocabulary=vocabulary,
        positions=len(tensors["encoder.embed_positions.weight"]),
        token_buckets=(len(tensors["encoder.token_rel_pos_table_list.0.weight"]) + 1) // 2,
        image_buckets=math.isqrt(len(tensors["encoder.embed_image_positions.weight"]) - 1),
    )


def made_model(tensors: dict[str, torch.Tensor]) -> Ofa:
    """The network of a checkpoint, ready to run.

    Raises:
        KeyError: tensors are missing.
    """
    model = Ofa(sizes_of(tensors))
    wanted = model.state_dict()
    missing = [name for name in wanted if name not in tensors]
    if missing:
        raise KeyError(f"the checkpoint lacks {len(missing)} tensors, such as {', '.join(missing[:5])}")
    kept = {name: tensors[name] for name in wanted}
    kept["encoder.type_embedding.weight"] = kept["encoder.type_embedding.weight"][:2]
    model.load_state_dict(kept)
    return model.eval()


def question_of(tokenizer: Path) -> list[int]:
    """Tokens of the question, those at both ends included."""
    from tokenizers import Tokenizer

    return list(Tokenizer.from_file(str(tokenizer)).encode(PROMPT).ids)


def main() -> int:
    """Writes the three files; the process's exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--tokenizer", type=Path, help="tokenizer.json of BART; else that beside the checkpoint"
    )
    asked = parser.parse_args()
    tokenizer = asked.tokenizer or asked.checkpoint.with_name("tokenizer.json")
    question = question_of(tokenizer)
    if question[0] != START or question[-1] != END:
        print(f"{tokenizer} is not BART's: the question becomes {question}", file=sys.stderr)
        return 1
    asked.folder.mkdir(parents=True, exist_ok=True)
    write_graphs(made_model(read_tensors(asked.checkpoint)), question, asked.folder)
    shutil.copyfile(tokenizer, asked.folder / "tokenizer.json")
    print(f"now: ambience models install ofa-large-caption --from {asked.folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
