"""Models that describe pictures in a sentence: what was found out about each, and where.

Sizes and sha256 are those that public projects state; see `hub_rows`.
"""

from ambience.models.hub_rows import IMAGENET_MEAN, IMAGENET_STD
from ambience.models.row import Captioning, ModelFile, ModelRow, Pixels, Tower

# The exports that transformers.js uses, in four graphs: pixel_values (B, 3, 768, 768) to image_features
# (B, 577, 768); input_ids to inputs_embeds; inputs_embeds with attention_mask to last_hidden_state; and the
# merged decoder, inputs_embeds to logits (B, T, 51289) with keys and values of six layers. The question is
# put behind the picture's features. Squashed, bicubic, ImageNet's mean and deviation; answers begin with <s>
# behind </s>, and end with </s> where they are cut (the model's generation_config.json). All five sha256 are
# stated by one project, that of the tokenizer by seven.
_FLORENCE_2 = ModelRow(
    name="florence-2-base-ft",
    title="Florence-2 base, fine-tuned (Microsoft, 2024), English",
    task="caption",
    repository="onnx-community/Florence-2-base-ft",
    revision="e88a44eaf3791a35eae0c5a47b3dbcd36e67eb6f",
    files=(
        ModelFile(
            "onnx/vision_encoder.onnx",
            366_549_825,
            "d67258cdfdebfa21285dad9e7bd4bd99725236d0aaef9e474a1b24a6ec471351",
        ),
        ModelFile(
            "onnx/embed_tokens.onnx",
            157_560_044,
            "90cae3deb6406938c676a35b5246db02b478c9cc8cf93508361be80c05babf95",
        ),
        ModelFile(
            "onnx/encoder_model.onnx",
            173_380_723,
            "cb0bccc232c64290397f5e1235eb3e1fa6ccf8c5afed9216480ee4eed80737fc",
        ),
        ModelFile(
            "onnx/decoder_model_merged.onnx",
            388_421_753,
            "5207affad8815294233b8679ee9ecb614906f819a1890d95a01b9ca68c392a79",
        ),
        ModelFile(
            "tokenizer.json",
            2_297_961,
            "d69dcdb2323e124ac4f800cb9863ddccea0d7bb11e16125e8df3bd60f2f8aeac",
        ),
    ),
    licence="MIT",
    dim=768,
    input_size=768,
    pixels=Pixels(768, "squash", "bicubic", IMAGENET_MEAN, IMAGENET_STD),
    image=Tower("onnx/vision_encoder.onnx", "image_features"),
    captioning=Captioning(
        decoder="onnx/decoder_model_merged.onnx",
        tokenizer="tokenizer.json",
        start=2,
        end=2,
        first=0,
        last=2,
        prompt="What does the image describe?",
        embedding="onnx/embed_tokens.onnx",
        encoder="onnx/encoder_model.onnx",
    ),
)

# The export of transformers.js: pixel_values (B, 3, 224, 224) to last_hidden_state (B, 197, 768), and the
# merged GPT-2 of twelve layers, input_ids with encoder_hidden_states to logits (B, T, 50257), which keeps the
# keys and values of tokens and not those of the picture. Squashed, bilinear. GPT-2 has one special token,
# which begins and ends every sentence. Nobody states the sizes and sha256 of the unquantised files.
_VIT_GPT2 = ModelRow(
    name="vit-gpt2",
    title="ViT-B/16 with GPT-2, trained on COCO (NLP Connect, 2022), English; small, plain",
    task="caption",
    repository="Xenova/vit-gpt2-image-captioning",
    files=(
        ModelFile("onnx/encoder_model.onnx", 344_000_000, None, is_size_exact=False),
        ModelFile("onnx/decoder_model_merged.onnx", 630_000_000, None, is_size_exact=False),
        ModelFile("tokenizer.json", 2_110_000, None, is_size_exact=False),
    ),
    licence="Apache-2.0",
    dim=768,
    input_size=224,
    pixels=Pixels(224, "squash", "bilinear"),
    image=Tower("onnx/encoder_model.onnx", "last_hidden_state"),
    captioning=Captioning(
        decoder="onnx/decoder_model_merged.onnx", tokenizer="tokenizer.json", start=50256, end=50256
    ),
)

# The original system's model. Its authors publish checkpoints of fairseq and no ONNX; our script writes two
# graphs: pixel_values (B, 3, 480, 480) to last_hidden_state with the question inside, and input_ids with
# encoder_hidden_states to logits. Squashed, bicubic. Sizes are those of 475 million numbers of 4 bytes.
_OFA = ModelRow(
    name="ofa-large-caption",
    title="OFA large, trained on COCO (DAMO Academy, 2022), English; the original system's model",
    task="caption",
    repository="",
    files=(
        ModelFile("encoder_model.onnx", 820_000_000, None, is_size_exact=False),
        ModelFile("decoder_model.onnx", 1_080_000_000, None, is_size_exact=False),
        ModelFile("tokenizer.json", 2_110_000, None, is_size_exact=False),
    ),
    licence="Apache-2.0",
    dim=1024,
    input_size=480,
    pixels=Pixels(480, "squash", "bicubic"),
    image=Tower("encoder_model.onnx", "last_hidden_state"),
    captioning=Captioning(decoder="decoder_model.onnx", tokenizer="tokenizer.json", start=0, end=2),
    made_by="python tools/export_ofa.py CHECKPOINT DIR",
)

CAPTION_ROWS: tuple[ModelRow, ...] = (_FLORENCE_2, _VIT_GPT2, _OFA)
"""The better ones first: of several that are installed, the first one is used."""

DEFAULT_CAPTIONS = "florence-2-base-ft"
"""What people are told to install."""
