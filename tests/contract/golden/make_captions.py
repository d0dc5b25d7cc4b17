"""Makes the golden values of captions with transformers' `generate`; run by hand.

python tests/contract/golden/make_captions.py ENVIRONMENT

ENVIRONMENT is that of `make_embeddings.py`. ViT with GPT-2 and Florence-2 are those of transformers; OFA,
which it lacks, is that of `tools/export_ofa.py`, read from a checkpoint of fairseq's form and run without a
cache of keys and values. What is exported has the inputs and outputs of the published files, the switch of
the merged decoders included.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parent
TOOLS = FOLDER.parents[2] / "tools"

sys.path.insert(0, str(FOLDER.parents[1]))
sys.path.insert(0, str(FOLDER))
sys.path.insert(0, str(TOOLS))

from make_embeddings import LARGE, _origin, environment  # noqa: E402

from support.tiny_captioners import (  # noqa: E402
    END,
    PROMPT,
    SEARCHES,
    SIDE,
    TOKENIZER,
    VOCABULARY,
    drawn_captioner,
)

HIDDEN, LAYERS, HEADS, DEEP = 48, 2, 4, 96

FAIRSEQ = (
    ("self_attn_mid_layer_norm", "attn_ln"), ("cross_attn_mid_layer_norm", "cross_attn_ln"),
    ("cross_attn_layer_norm", "encoder_attn_layer_norm"), ("cross_attn.", "encoder_attn."),
    ("ffn_layer_norm", "ffn_layernorm"),
)  # fmt: skip
"""Names of transformers, and those of fairseq."""

SENTENCES = (
    "a man riding a wave on top of a surfboard",
    "two dogs are playing with a red ball in the park",
    "a plate of food with a sandwich and a cup of coffee on a wooden table",
    "the cat is sitting on a couch next to a window",
    "a group of people standing around a large white rocket",
    "What does the image describe? what does the image describe?",
    "an astronaut in an orange suit smiles in front of a flag",
)


def make_reference(python: Path, folder: Path) -> None:
    """Exported files, tokenizers and what `generate` makes of pictures, written to a folder.

    Args:
        python: of the references' environment.
        folder: for `golden.npz`, `golden.json`, `tokenizer_gpt2.json` and `tokenizer_bart.json`.
    """
    from support.caption_pictures import caption_pictures

    np.savez(folder / "pictures.npz", *caption_pictures())
    run = [python, "-W", "ignore", __file__, "--reference", folder]
    subprocess.run(run, check=True, timeout=1500, capture_output=True)


class Reference:
    """What is made of every small network.

    Attributes:
        arrays: bytes of the exported files by "row/file", and tokens by "row/search".
        gaps: of the exported files.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.arrays: dict[str, np.ndarray] = {}
        self.gaps: dict[str, list[list[Any]]] = {}
        with np.load(folder / "pictures.npz") as kept:
            self.pictures = [kept[name] for name in kept.files]

    def keep_file(self, row: str, file: str, data: bytes, module: Any) -> None:
        """Keeps an ONNX file, without the weights that are drawn."""
        import onnx

        named = {f"{row}/{name}": each.detach().numpy() for name, each in unshared(module)}
        gaps = []
        for tensor in onnx.load_from_string(data).graph.initializer:
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

    def keep_answers(self, row: str, generate: Any, pixels: Any) -> None:
        """Keeps what `generate` makes, one picture at a time, by all searches."""
        end = END[TOKENIZER[row]]
        for search, (beams, most, least) in SEARCHES.items():
            rows = np.full((len(pixels), most), -1)
            for number in range(len(pixels)):
                tokens = generate(
                    pixels[number : number + 1], num_beams=beams, max_new_tokens=most, min_new_tokens=least,
                    no_repeat_ngram_size=3, do_sample=False, early_stopping=False, length_penalty=1.0,
                )[0, 1:].tolist()  # fmt: skip
                tokens = tokens[: tokens.index(end) + 1] if end in tokens else tokens
                rows[number, : len(tokens)] = tokens
            self.arrays[f"{row}/{search}"] = rows.astype(np.int16)


def unshared(module: Any) -> list[tuple[str, Any]]:
    """Tensors of a module by name, those of several names under the first of them."""
    return [*module.named_parameters(), *module.named_buffers()]


def drawn_into(row: str, module: Any) -> Any:
    """A module with the weights that are drawn by its tensors' names, ready to run."""
    import torch

    with torch.no_grad():
        for name, tensor in unshared(module):
            if tensor.is_floating_point():
                tensor.copy_(torch.from_numpy(drawn_captioner(f"{row}/{name}", tuple(tensor.shape))))
    return module.eval()


def exported(
    folder: Path, module: Any, call: Any, fed: dict[str, Any], outputs: list[str], grown: dict[str, str]
) -> bytes:
    """An ONNX file of a function.

    Args:
        folder: for files in between.
        module: whose weights it uses.
        call: the function, of tensors.
        fed: inputs by name.
        outputs: their names.
        grown: names of inputs and outputs, and what their second side (of arrays of four sides the third one)
            is called where it may be of any length.
    """
    import torch

    class Called(torch.nn.Module):
        def forward(self, *given: Any) -> Any:
            return call(*given)

    called = Called().eval()
    called.inner = module
    axes = {
        name: {0: "batch"}
        | ({2 if name.startswith(("past", "present")) else 1: grown[name]} if name in grown else {})
        for name in (*fed, *outputs)
    }
    place = folder / "export.onnx"
    torch.onnx.export(
        called, tuple(fed.values()), str(place), input_names=[*fed], output_names=outputs, dynamic_axes=axes,
        opset_version=17, dynamo=False, external_data=False,
    )  # fmt: skip
    return place.read_bytes()


def merged(then: bytes, other: bytes) -> bytes:
    """Two graphs behind a switch, as the published decoders are; their common weights are there once."""
    import onnx
    from onnx import TensorProto, helper

    graphs = [onnx.load_from_string(each).graph for each in (then, other)]
    taken = {each.name: each for graph in graphs for each in graph.input}
    made = {each.name: each for graph in reversed(graphs) for each in graph.output}
    weights: dict[Any, Any] = {}
    bodies = []
    for side, graph in zip(("then", "else"), graphs, strict=True):
        names = {name: name for name in taken}
        for tensor in graph.initializer:
            key = tensor.data_type, tuple(tensor.dims), tensor.raw_data or tensor.SerializeToString()
            if key not in weights:
                weights[key] = onnx.TensorProto.FromString(tensor.SerializeToString())
                weights[key].name = f"weights_{len(weights)}"
            names[tensor.name] = weights[key].name
        for node in graph.node:
            for port in node.output:
                names[port] = f"{side}/{port}"
            for ports in (node.input, node.output):
                for number, port in enumerate(ports):
                    ports[number] = names[port] if port else ""
            node.name = f"{side}/{node.name}"
        outputs = []
        own = {each.name for each in graph.output}
        for name in made:
            outputs.append(helper.make_tensor_value_info(f"{side}/{name}", TensorProto.FLOAT, None))
            if name not in own:  # what was made of the picture is not made again
                shape = [0, *(side.dim_value or 1 for side in made[name].type.tensor_type.shape.dim[1:])]
                nothing = helper.make_tensor("nothing", TensorProto.FLOAT, shape, [])
                graph.node.append(helper.make_node("Constant", [], [f"{side}/{name}"], value=nothing))
            elif names.get(name) != f"{side}/{name}":
                graph.node.append(helper.make_node("Identity", [names[name]], [f"{side}/{name}"]))
        bodies.append(helper.make_graph(graph.node, side, [], outputs))
    switch = helper.make_node(
        "If", ["use_cache_branch"], [*made], then_branch=bodies[0], else_branch=bodies[1], name="switch"
    )
    taken["use_cache_branch"] = helper.make_tensor_value_info("use_cache_branch", TensorProto.BOOL, [1])
    whole = helper.make_graph(
        [switch], "merged", list(taken.values()), list(made.values()), list(weights.values())
    )
    model = helper.make_model(whole, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


@cache
def tokenizer(kind: str) -> Any:
    """A byte-level tokenizer over a vocabulary of our own, of GPT-2's kind or of BART's."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>"] if kind == "bart" else []
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - (kind == "gpt2"), special_tokens=special, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    made.train_from_iterator(SENTENCES * 3, trainer)
    if kind == "bart":
        made.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    else:
        made.add_special_tokens(["<|endoftext|>"])
    if (
        made.get_vocab_size() > VOCABULARY
        or made.token_to_id("</s>" if special else "<|endoftext|>") != END[kind]
    ):
        raise ValueError(f"the vocabulary has {made.get_vocab_size()} tokens")
    return made


def run_reference(folder: Path) -> None:
    """The half that runs in the references' environment."""
    import torch

    # torchvision as PyPI has it is made for PyTorch with CUDA; without it, these operators are missing.
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    torch.set_num_threads(1)
    kept = Reference(folder)
    for kind in ("gpt2", "bart"):
        (folder / f"tokenizer_{kind}.json").write_text(tokenizer(kind).to_str(), encoding="utf-8")
    with torch.no_grad():
        for make in (make_vit_gpt2, make_florence, make_ofa):
            make(kept)
    np.savez_compressed(folder / "golden.npz", **kept.arrays)
    (folder / "golden.json").write_text(json.dumps(kept.gaps, separators=(",", ":")) + "\n", encoding="utf-8")


def names_of(*kinds: str) -> list[str]:
    """Names of keys and values of all layers, without the prefix."""
    parts = [f"{kind}{what}" for kind in kinds for what in ("key", "value")]
    return [f"{number}.{part}" for number in range(LAYERS) for part in parts]


def cached(given: Any) -> Any:
    """Keys and values in turn as transformers keeps them."""
    from transformers.cache_utils import DynamicCache

    return (
        DynamicCache([(given[at], given[at + 1]) for at in range(0, len(given), 2)])
        if given
        else DynamicCache()
    )


def make_vit_gpt2(kept: Reference) -> None:
    """ViT with GPT-2 of transformers; keys and values of the picture are not kept, as published."""
    import torch
    from transformers import GPT2Config, VisionEncoderDecoderConfig, VisionEncoderDecoderModel, ViTConfig
    from transformers.cache_utils import DynamicCache, EncoderDecoderCache
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    row, side, end = "vit-gpt2", SIDE["vit-gpt2"], END["gpt2"]
    seeing = ViTConfig(
        hidden_size=HIDDEN, num_hidden_layers=LAYERS, num_attention_heads=HEADS, intermediate_size=DEEP,
        image_size=side, patch_size=16,
    )  # fmt: skip
    telling = GPT2Config(
        n_embd=HIDDEN, n_layer=LAYERS, n_head=HEADS, vocab_size=VOCABULARY, n_positions=64,
        add_cross_attention=True, is_decoder=True, bos_token_id=end, eos_token_id=end,
    )  # fmt: skip
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(seeing, telling)
    config._attn_implementation = "eager"
    model = drawn_into(row, VisionEncoderDecoderModel(config))
    settings = {"decoder_start_token_id": end, "eos_token_id": end, "pad_token_id": end, "bos_token_id": end}
    processor = ViTImageProcessorPil(size={"height": side, "width": side}, resample=2)
    pixels = torch.cat([processor(each, return_tensors="pt")["pixel_values"] for each in kept.pictures])
    kept.keep_answers(
        row, lambda given, **choices: model.generate(pixel_values=given, **settings, **choices), pixels
    )

    def seen(given: Any) -> Any:
        return model.encoder(given).last_hidden_state

    def told(tokens: Any, hidden: Any, *past: Any) -> Any:
        both = EncoderDecoderCache(cached(past), DynamicCache())
        made = model.decoder(
            input_ids=tokens, encoder_hidden_states=hidden, past_key_values=both, use_cache=True
        )
        layers = made.past_key_values.self_attention_cache.layers
        return made.logits, *(each for layer in layers for each in (layer.keys, layer.values))

    hidden = seen(pixels[:2])
    data = exported(kept.folder, model, seen, {"pixel_values": pixels[:2]}, ["last_hidden_state"], {})
    kept.keep_file(row, "onnx/encoder_model.onnx", data, model)
    names = names_of("")
    fed = {"input_ids": torch.zeros(2, 1, dtype=torch.long), "encoder_hidden_states": hidden}
    past = {f"past_key_values.{name}": torch.zeros(2, HEADS, 3, HIDDEN // HEADS) for name in names}
    made = ["logits", *(f"present.{name}" for name in names)]
    grown = dict.fromkeys(("input_ids", "logits"), "tokens") | {"encoder_hidden_states": "places"}
    grown |= dict.fromkeys(past, "past") | dict.fromkeys(made[1:], "all")
    both = [exported(kept.folder, model, told, each, made, grown) for each in (fed | past, fed)]
    kept.keep_file(row, "onnx/decoder_model_merged.onnx", merged(*both), model)


def make_florence(kept: Reference) -> None:
    """Florence-2 of transformers, in the four files that are published."""
    import torch
    from transformers import BartConfig, Florence2Config, Florence2ForConditionalGeneration
    from transformers.cache_utils import EncoderDecoderCache
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    row, side = "florence-2-base-ft", SIDE["florence-2-base-ft"]
    telling = BartConfig(
        d_model=HIDDEN, encoder_layers=LAYERS, decoder_layers=LAYERS, encoder_attention_heads=HEADS,
        decoder_attention_heads=HEADS, encoder_ffn_dim=DEEP, decoder_ffn_dim=DEEP, vocab_size=VOCABULARY + 1,
        max_position_embeddings=128, forced_bos_token_id=None, forced_eos_token_id=None,
    )  # fmt: skip
    seeing = {
        "embed_dim": [16, 32], "num_heads": [2, 4], "num_groups": [2, 4], "depths": [1, 1],
        "patch_size": [7, 3], "patch_stride": [4, 2], "patch_padding": [3, 1],
        "patch_prenorm": [False, True], "window_size": 4, "projection_dim": HIDDEN,
        "max_position_embeddings": 16,
    }  # fmt: skip
    config = Florence2Config(text_config=telling.to_dict(), vision_config=seeing, image_token_id=VOCABULARY)
    config._attn_implementation = "eager"
    model = drawn_into(row, Florence2ForConditionalGeneration(config))
    size = {"height": side, "width": side}
    processor = CLIPImageProcessorPil(
        size=size, do_center_crop=False, resample=3, image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    )  # fmt: skip
    pixels = torch.cat([processor(each, return_tensors="pt")["pixel_values"] for each in kept.pictures])
    question = torch.tensor([tokenizer("bart").encode(PROMPT[row]).ids])
    whole = model.model

    def seen(given: Any) -> Any:
        return whole.get_image_features(given).pooler_output

    places = seen(pixels[:1]).shape[1]
    asked = torch.cat([torch.full((1, places), VOCABULARY), question], dim=1)
    settings = {
        "decoder_start_token_id": 2, "eos_token_id": 2, "pad_token_id": 1, "bos_token_id": 0,
        "forced_bos_token_id": 0, "forced_eos_token_id": 2, "bad_words_ids": [[VOCABULARY]],
    }  # fmt: skip

    def generate(given: Any, **choices: Any) -> Any:
        mask = torch.ones_like(asked)
        return model.generate(input_ids=asked, attention_mask=mask, pixel_values=given, **settings, **choices)

    kept.keep_answers(row, generate, pixels)

    def embedded(tokens: Any) -> Any:
        return whole.language_model.shared(tokens)

    def read(mask: Any, given: Any) -> Any:
        return whole.language_model.encoder(inputs_embeds=given, attention_mask=mask).last_hidden_state

    def told(mask: Any, hidden: Any, token: Any, *past: Any) -> Any:
        pairs = [past[at : at + 4] for at in range(0, len(past), 4)]
        own, of_picture = ([each for pair in pairs for each in pair[at : at + 2]] for at in (0, 2))
        both = EncoderDecoderCache(cached(own), cached(of_picture))
        made = whole.language_model.decoder(
            inputs_embeds=token, encoder_hidden_states=hidden, encoder_attention_mask=mask,
            past_key_values=both, use_cache=True,
        )  # fmt: skip
        own, of_picture = both.self_attention_cache.layers, both.cross_attention_cache.layers
        logits = model.lm_head(made.last_hidden_state)[:, :, :VOCABULARY]
        return logits, *(
            each
            for mine, theirs in zip(own, of_picture, strict=True)
            for each in (mine.keys, mine.values, *(() if past else (theirs.keys, theirs.values)))
        )

    token = embedded(torch.zeros(2, 1, dtype=torch.long))
    joined = torch.cat([seen(pixels[:2]), embedded(question).repeat(2, 1, 1)], dim=1)
    mask = torch.ones(joined.shape[:2], dtype=torch.long)
    mask[1, -1] = 0  # or the exporter takes the mask for one that is always full
    hidden = read(mask, joined)
    long = {"attention_mask": "places", "inputs_embeds": "places", "last_hidden_state": "places"}
    for file, call, fed, output, grown in (
        ("vision_encoder", seen, {"pixel_values": pixels[:2]}, "image_features", {}),
        ("embed_tokens", embedded, {"input_ids": question.repeat(2, 1)}, "inputs_embeds",
         {"input_ids": "tokens", "inputs_embeds": "tokens"}),
        ("encoder_model", read, {"attention_mask": mask, "inputs_embeds": joined}, "last_hidden_state", long),
    ):  # fmt: skip
        kept.keep_file(
            row, f"onnx/{file}.onnx", exported(kept.folder, model, call, fed, [output], grown), model
        )
    fed = {"encoder_attention_mask": mask, "encoder_hidden_states": hidden, "inputs_embeds": token}
    names = names_of("decoder.", "encoder.")
    width = HIDDEN // HEADS
    past = {
        f"past_key_values.{name}": torch.zeros(2, HEADS, hidden.shape[1] if "encoder" in name else 3, width)
        for name in names
    }
    grown = {"encoder_attention_mask": "places", "encoder_hidden_states": "places"}
    grown |= dict.fromkeys(("inputs_embeds", "logits"), "tokens")
    grown |= {
        f"{kind}.{name}": f"{kind} {name[2:9]}" for kind in ("past_key_values", "present") for name in names
    }
    every = ["logits", *(f"present.{name}" for name in names)]
    later = [name for name in every if ".encoder." not in name]
    both = (
        exported(kept.folder, model, told, fed | past, later, grown),
        exported(kept.folder, model, told, fed, every, grown),
    )
    kept.keep_file(row, "onnx/decoder_model_merged.onnx", merged(*both), model)


def make_ofa(kept: Reference) -> None:
    """OFA as our script exports it, asked by `generate` for whole sentences anew at every token."""
    import torch
    from PIL import Image
    from torchvision import transforms

    from export_ofa import Ofa, Sizes, made_model, read_tensors, write_graphs

    row, side = "ofa-large-caption", SIDE["ofa-large-caption"]
    sizes = Sizes(
        width=HIDDEN, heads=HEADS, deep=DEEP, layers=LAYERS, stages=(1, 2, 1), channels=8,
        vocabulary=VOCABULARY, positions=130, token_buckets=16, image_buckets=6,
    )  # fmt: skip
    model = made_model(read_tensors(fairseq_checkpoint(drawn_into(row, Ofa(sizes)), kept.folder)))
    if model.sizes != sizes:
        raise ValueError(f"the checkpoint is taken for one of {model.sizes}")
    question = tokenizer("bart").encode(PROMPT[row]).ids
    resize = transforms.Resize((side, side), interpolation=transforms.InterpolationMode.BICUBIC)
    prepare = transforms.Compose([resize, transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.5] * 3)])
    pixels = torch.stack([prepare(Image.fromarray(each)) for each in kept.pictures])
    kept.keep_answers(row, ofa_generate(model, question), pixels)
    write_graphs(model, question, kept.folder, side=side)
    for file in ("encoder_model.onnx", "decoder_model.onnx"):
        kept.keep_file(row, file, (kept.folder / file).read_bytes(), model)


def fairseq_checkpoint(model: Any, folder: Path) -> Path:
    """A checkpoint with fairseq's names of tensors, and objects in it that only fairseq knows."""
    import torch

    state = {}
    for name, tensor in model.state_dict().items():
        for ours, theirs in FAIRSEQ:
            name = name.replace(ours, theirs)
        state[name] = tensor
    place = folder / "checkpoint.pt"
    torch.save(
        {"model": state, "cfg": argparse.Namespace(task="caption"), "extra_state": {"epoch": 3}}, place
    )
    return place


def ofa_generate(model: Any, question: list[int]) -> Any:
    """transformers' `generate` over our OFA."""
    import torch
    from transformers import BartConfig, GenerationMixin, PreTrainedModel
    from transformers.modeling_outputs import BaseModelOutput, Seq2SeqLMOutput

    sizes = model.sizes
    config = BartConfig(
        vocab_size=sizes.vocabulary, d_model=sizes.width, decoder_layers=sizes.layers,
        encoder_layers=sizes.layers, forced_eos_token_id=None,
    )  # fmt: skip

    class Generating(PreTrainedModel, GenerationMixin):
        config_class = BartConfig
        main_input_name = "input_ids"
        base_model_prefix = "ofa"

        def get_encoder(self, *_: Any, **__: Any) -> Any:
            return model.encoder

        def forward(self, encoder_outputs: Any, decoder_input_ids: Any, **_: Any) -> Any:
            hidden = encoder_outputs[0]
            cells = round((hidden.shape[1] - len(question)) ** 0.5)
            source = model.encoder.positions(cells, len(question))
            past, every = model.nothing_before(len(hidden)), []
            for at in range(decoder_input_ids.shape[1]):
                logits, *past = model.decoder(decoder_input_ids[:, at : at + 1], hidden, source, *past)
                every.append(logits)
            return Seq2SeqLMOutput(logits=torch.cat(every, dim=1))

        def prepare_inputs_for_generation(self, ids: Any, encoder_outputs: Any = None, **_: Any) -> Any:
            return {"decoder_input_ids": ids, "encoder_outputs": encoder_outputs}

    whole = Generating(config).eval()
    whole.inner = model
    settings = {
        "decoder_start_token_id": 0, "eos_token_id": 2, "pad_token_id": 1, "bos_token_id": 0,
        "use_cache": False, "forced_eos_token_id": None,
    }  # fmt: skip

    def generate(given: Any, **choices: Any) -> Any:
        read = BaseModelOutput(last_hidden_state=model.encoder(given, torch.tensor(question)))
        return whole.generate(encoder_outputs=read, **settings, **choices)

    return generate


def main() -> None:
    """Writes `captions.npz`, `captions.json`, `tokenizer_gpt2.json` and `tokenizer_bart.json`."""
    with tempfile.TemporaryDirectory() as made_in:
        folder = Path(made_in)
        make_reference(environment(Path(sys.argv[1])), folder)
        for made, name in (
            ("golden.npz", "captions.npz"),
            ("golden.json", "captions.json"),
            ("tokenizer_gpt2.json", "tokenizer_gpt2.json"),
            ("tokenizer_bart.json", "tokenizer_bart.json"),
        ):
            (FOLDER / name).write_bytes((folder / made).read_bytes())


if __name__ == "__main__":
    if sys.argv[1] == "--reference":
        run_reference(Path(sys.argv[2]))
    else:
        main()
