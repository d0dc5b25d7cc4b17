"""Models that a hub publishes: what was found out about each, and where.

Sizes and sha256 are those that public projects state which pin the same files at the same commit: of DINOv2
and SigLIP 2 B/16 several that know nothing of each other, of the rest one. Where nobody states them, the size
is marked as not exact, or the sha256 is None: it is then recorded at the first install and held from then on.
"""

from ambience.models.row import ModelFile, ModelRow, Pixels, Tokens, Tower, Triple

CLIP_MEAN: Triple = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD: Triple = (0.26862954, 0.26130258, 0.27577711)
"""Source: Radford et al., "Learning Transferable Visual Models …", ICML 2021."""

IMAGENET_MEAN: Triple = (0.485, 0.456, 0.406)
IMAGENET_STD: Triple = (0.229, 0.224, 0.225)

# The tokenizer that transformers writes of CLIP's vocabulary is the same file in both repositories.
_CLIP_TOKENIZER_SIZE = 2_224_081
_CLIP_TOKENIZER_SHA256 = "72ed5c96db5729294468543e4bc75fce14ca63f58e37300290189ba1c1e52b85"

# The export of OpenAI's weights that transformers.js uses (`CLIPVisionModelWithProjection` and its text
# half): pixel_values (B, 3, 224, 224) to image_embeds, input_ids (B, 77) int64 without a mask to text_embeds,
# neither of unit length. Padding follows the end token and is never looked at (causal attention, pooled at
# the end token); 49407 is what transformers pads with. Squashed by a bilinear filter as the original system
# did; CLIP itself crops the middle after a bicubic reduction. OpenAI's repository is under the MIT licence;
# the hub states none.
_CLIP_VIT_B16 = ModelRow(
    name="clip-vit-b16",
    title="CLIP ViT-B/16 (OpenAI, 2021), English; the original system's model",
    task="image_text_embedding",
    repository="Xenova/clip-vit-base-patch16",
    revision="342fdf2f67aded64d138ff074745fb4a5d2bba5f",
    files=(
        ModelFile(
            "onnx/vision_model.onnx",
            345_060_583,
            "b5170b47c0ecc667c9af5b42ed460c341377706d1466d177798c65fe49ea1e6b",
        ),
        ModelFile("onnx/text_model.onnx", 254_058_553, None),
        ModelFile("tokenizer.json", _CLIP_TOKENIZER_SIZE, _CLIP_TOKENIZER_SHA256),
    ),
    licence="MIT",
    dim=512,
    input_size=224,
    pixels=Pixels(224, "squash", "bilinear", CLIP_MEAN, CLIP_STD),
    tokens=Tokens("tokenizer.json", context=77, pad=49407),
    image=Tower("onnx/vision_model.onnx", "image_embeds"),
    text=Tower("onnx/text_model.onnx", "text_embeds"),
)

# Immich's export of the weights by open_clip: image (1, 3, 256, 256) and text (1, 64) int32, without a mask,
# to embedding, of unit length; batches of one, as its exporter leaves `dynamic_axes` out. Gemma's tokenizer
# closes each sentence with <eos> (1) and pads on the right with <pad> (0) to 64, which is part of the input:
# there is no mask, and the last token is pooled. Sentences were made lower case in training (big_vision's
# `lower`, the tokenizer of transformers; open_clip removes punctuation as well). Squashed to a square by
# big_vision, bilinear.
_SIGLIP2_B32 = ModelRow(
    name="siglip2-b32-256",
    title="SigLIP 2 ViT-B/32 at 256 pixels (Google, 2025), 109 languages; fast",
    task="image_text_embedding",
    repository="immich-app/ViT-B-32-SigLIP2-256__webli",
    revision="762c736d366fc253e9453021144f9fe71789b075",
    files=(
        ModelFile(
            "visual/model.onnx",
            378_359_772,
            "e96b8a3d32ab1b683aa12c45312342b4a10d4befef5f195f5cf84eadf1938696",
        ),
        ModelFile(
            "textual/model.onnx",
            1_129_435_819,
            "ba6e09d2dbb3d7ac0f9e2935676db92dceebddfd06c1462b67019caa90eeea20",
        ),
        ModelFile(
            "textual/tokenizer.json",
            34_362_885,
            "220c63d496e0c14e63eb656c91e0215e926202e4c74b1f089e09f1920d779b04",
        ),
    ),
    licence="Apache-2.0",
    dim=768,
    input_size=256,
    pixels=Pixels(256, "squash", "bilinear"),
    tokens=Tokens("textual/tokenizer.json", context=64, pad=0, is_lowercase=True, end=1),
    image=Tower("visual/model.onnx", "embedding"),
    text=Tower("textual/model.onnx", "embedding"),
)

# The export of transformers.js: pixel_values (B, 3, 256, 256) and input_ids (B, 64) int64 without a mask,
# each to last_hidden_state and pooler_output, not of unit length. The rest as for B/32.
_SIGLIP2_B16 = ModelRow(
    name="siglip2-b16-256",
    title="SigLIP 2 ViT-B/16 at 256 pixels (Google, 2025), 109 languages; finer, 4 × the work",
    task="image_text_embedding",
    repository="onnx-community/siglip2-base-patch16-256-ONNX",
    revision="d1114256522a37ffa257a0a58017348ab0058db2",
    files=(
        ModelFile(
            "onnx/vision_model.onnx",
            371_992_072,
            "f5cb16728a704703f05516ded628397e11dbca4de2eb5db04b0c0bcee988aa7a",
        ),
        ModelFile(
            "onnx/text_model.onnx",
            1_129_469_657,
            "d3de4a6bbbfcb429b6615ac496790353cf4a4fc0f19fbbe7179e523ae60daaef",
        ),
        ModelFile(
            "tokenizer.json",
            34_363_039,
            "cb9140fae3ac5122c972d37adf83e1248471a38147ad76f8215c8872c6fd8322",
        ),
    ),
    licence="Apache-2.0",
    dim=768,
    input_size=256,
    pixels=Pixels(256, "squash", "bilinear"),
    tokens=Tokens("tokenizer.json", context=64, pad=0, is_lowercase=True, end=1),
    image=Tower("onnx/vision_model.onnx", "pooler_output"),
    text=Tower("onnx/text_model.onnx", "pooler_output"),
)

# The export that rclip uses: input (B, 3, 256, 256) and input (B, 77) int64, each to its one output, not of
# unit length; measured by others at cosine 0.9999999 to open_clip's own. open_clip crops the middle after a
# bicubic reduction of the short side, and pads with 0. The tokenizer comes from the repository of the
# weights' authors.
_DATACOMP_B32 = ModelRow(
    name="datacomp-b32-256",
    title="CLIP ViT-B/32 at 256 pixels, trained on DataComp-1B (LAION, 2023), English; fast",
    task="image_text_embedding",
    repository="yurijmikhalevich/rclip-models",
    revision="17b9d07433aad73f70d338d8a1c7a4cef83887e0",
    files=(
        ModelFile(
            "ViT-B-32-256-datacomp_s34b_b86k/visual.onnx",
            351_826_068,
            "3f7e6f94e5a34bc7ee8aba84aec0f963f56974ab405fbcd334c8e1c3f832bd2c",
        ),
        ModelFile(
            "ViT-B-32-256-datacomp_s34b_b86k/textual.onnx",
            254_344_274,
            "ee267cd64f0f77362670ae0140476ed51ee8c5a761d41636e09997f2fdddcacc",
        ),
        ModelFile(
            "tokenizer.json",
            _CLIP_TOKENIZER_SIZE,
            _CLIP_TOKENIZER_SHA256,
            repository="laion/CLIP-ViT-B-32-256x256-DataComp-s34B-b86K",
            revision="4afec35ffe57a943d569ff7ee888061830164da8",
        ),
    ),
    licence="MIT",
    dim=512,
    input_size=256,
    pixels=Pixels(256, "crop", "bicubic", CLIP_MEAN, CLIP_STD, middle="rounded"),
    tokens=Tokens("tokenizer.json", context=77, pad=0),
    image=Tower("ViT-B-32-256-datacomp_s34b_b86k/visual.onnx", ""),
    text=Tower("ViT-B-32-256-datacomp_s34b_b86k/textual.onnx", ""),
)

# timm's copy of Microsoft's weights, with the head of 21,841 classes, which is not used: 102.6 million
# numbers of 4 bytes. The embedding is the mean of the patch tokens, normalised (`fc_norm`), as timm answers
# it without a head. Squashed by a bilinear filter as the original system did; timm itself crops 90 %,
# bicubic. Nobody states the file's size or sha256.
_BEIT_B16 = ModelRow(
    name="beit-b16-224-in22k",
    title="BEiT ViT-B/16 on ImageNet-22k (Microsoft, 2021); the original system's model",
    task="image_embedding",
    repository="timm/beit_base_patch16_224.in22k_ft_in22k",
    files=(ModelFile("model.safetensors", 410_400_000, None, is_size_exact=False),),
    licence="Apache-2.0",
    dim=768,
    input_size=224,
    pixels=Pixels(224, "squash", "bilinear"),
    image=Tower("model.safetensors", "embedding", graph="beit"),
)

# The exports of transformers.js: pixel_values to last_hidden_state (B, 257, dim), of which the first token is
# the embedding (Oquab et al., "DINOv2", TMLR 2024), not of unit length. Short side 256, bicubic, middle 224.
_DINOV2_PIXELS = Pixels(224, "crop", "bicubic", IMAGENET_MEAN, IMAGENET_STD, resize=256)
_DINOV2_S14 = ModelRow(
    name="dinov2-s14",
    title="DINOv2 ViT-S/14 (Meta, 2023); small and fast",
    task="image_embedding",
    repository="onnx-community/dinov2-small",
    revision="8b1f705a3a7f6f062f6bdd21986c1583d3ef105d",
    files=(
        ModelFile(
            "onnx/model.onnx",
            88_532_934,
            "f22797eabf810a75e41de68d378541ebea372122b25c4ce3ef25ff618250c20a",
        ),
    ),
    licence="Apache-2.0",
    dim=384,
    input_size=224,
    pixels=_DINOV2_PIXELS,
    image=Tower("onnx/model.onnx", "last_hidden_state", "first"),
)
_DINOV2_B14 = ModelRow(
    name="dinov2-b14",
    title="DINOv2 ViT-B/14 (Meta, 2023)",
    task="image_embedding",
    repository="onnx-community/dinov2-base",
    revision="31ef06cac16d5d301c5930d147002a058c85a5e4",
    files=(
        ModelFile(
            "onnx/model.onnx",
            346_627_111,
            "320d1012a6fc65b101fc85ca30ee7a47b2e4f6a2e8bd78fb9d7036def0e30cb0",
        ),
    ),
    licence="Apache-2.0",
    dim=768,
    input_size=224,
    pixels=_DINOV2_PIXELS,
    image=Tower("onnx/model.onnx", "last_hidden_state", "first"),
)

# `sscd_disc_mixup`, which its authors recommend, as weights of torchvision's ResNet-50 with generalised-mean
# pooling (p = 3) and 512 outputs: 24.6 million numbers of 4 bytes. They publish it at their own address, on
# no hub; of the two ways of preparing that they recommend, this is the square one. MIT since the repository
# was relicensed; its first versions said CC-BY-NC-4.0. Nobody states the file's size or sha256.
_SSCD = ModelRow(
    name="sscd-disc",
    title="SSCD ResNet-50, trained on DISC for copies (Meta, 2022)",
    task="image_embedding",
    repository="",
    files=(
        ModelFile(
            "sscd_disc_mixup.torchvision.pt",
            98_500_000,
            None,
            elsewhere=("https://dl.fbaipublicfiles.com/sscd-copy-detection/sscd_disc_mixup.torchvision.pt",),
            is_size_exact=False,
        ),
    ),
    licence="MIT",
    dim=512,
    input_size=320,
    pixels=Pixels(320, "squash", "bilinear", IMAGENET_MEAN, IMAGENET_STD),
    image=Tower("sscd_disc_mixup.torchvision.pt", "embedding", graph="sscd"),
)

HUB_ROWS: tuple[ModelRow, ...] = (
    _SIGLIP2_B32,
    _SIGLIP2_B16,
    _DATACOMP_B32,
    _CLIP_VIT_B16,
    _DINOV2_B14,
    _DINOV2_S14,
    _BEIT_B16,
    _SSCD,
)
"""Of pictures and sentences first, then of pictures alone, the better ones first."""

DEFAULT_WITH_HUB = "siglip2-b32-256"
"""What people are told to install where a hub can be reached: the best words for its time and size."""
