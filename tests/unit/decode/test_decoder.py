import os
import socket
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from ambience.datatypes import PixelNeed
from ambience.decode.image import Decoder
from ambience.errors import CorruptImageError, ImageError, ImageLimitError, UnsupportedFormatError
from ambience.settings import DecodeSettings
from support.picture_samples import encoded, exif, mean_difference, photo, pixels_of, png_claiming

JPEG_20 = encoded(photo(20, 20), "JPEG")
ICO_20 = encoded(photo(20, 20), "ICO", sizes=[(20, 20)])
LINE_501 = encoded(photo(501, 1), "PNG")


@pytest.fixture(scope="module")
def full() -> Iterator[Decoder]:
    decoder = Decoder(DecodeSettings(workers=1), [PixelNeed(96), PixelNeed(None)])
    yield decoder
    decoder.close()


@pytest.fixture(scope="module")
def scaled() -> Iterator[Decoder]:
    decoder = Decoder(DecodeSettings(workers=1), [PixelNeed(96), PixelNeed(150)])
    yield decoder
    decoder.close()


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"subsampling": 1}])
def test_full_jpeg_is_bit_identical_to_pillow(full: Decoder, mode: str, options: dict[str, object]) -> None:
    data = encoded(photo(333, 221).convert(mode), "JPEG", quality=85, **options)
    picture = full.decode(data, name="a")
    assert np.array_equal(picture.rgb, pixels_of(data))
    assert picture.is_exact and (picture.width, picture.height, picture.format) == (333, 221, "jpeg")


def test_exact_setting_asks_for_full_size() -> None:
    data = encoded(photo(640, 427), "JPEG")
    picture = Decoder(DecodeSettings(exact=True), [PixelNeed(96)]).decode(data, name="a")
    assert picture.is_exact and np.array_equal(picture.rgb, pixels_of(data))


def test_the_greatest_need_decides(scaled: Decoder) -> None:
    picture = scaled.decode(encoded(photo(640, 427), "JPEG"), name="a")
    assert picture.rgb.shape == (107, 160, 3)  # a quarter: an eighth has 80 pixels, 150 are needed
    assert (picture.width, picture.height, picture.is_exact) == (640, 427, False)
    small = scaled.decode(encoded(photo(120, 80), "JPEG"), name="a")
    assert small.rgb.shape == (80, 120, 3)


def test_twelve_megapixels_decode_at_half_and_two_in_full() -> None:
    decoder = Decoder(DecodeSettings(), [PixelNeed(1500)])
    assert decoder.decode(encoded(photo(4000, 3000), "JPEG"), name="a").rgb.shape == (1500, 2000, 3)
    assert decoder.decode(encoded(photo(1600, 1200), "JPEG"), name="a").rgb.shape == (1200, 1600, 3)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
@pytest.mark.parametrize("orientation", [1, 2, 5, 6])
def test_orientation_is_applied_exactly_once(full: Decoder, form: str, orientation: int) -> None:
    import pillow_heif

    pillow_heif.register_heif_opener()
    upright = photo(64, 40)
    back = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
    }
    turn = back[orientation]
    stored = upright if turn is None else upright.transpose(turn)
    block = exif(orientation, "2021:02:03 04:05:06")
    data = encoded(stored, form, quality=95, exif=block if form == "TIFF" else block.tobytes())
    picture = full.decode(data, name="a")
    assert (picture.width, picture.height) == (64, 40)
    assert mean_difference(picture.rgb, np.asarray(upright)) < 8
    if form != "TIFF":  # Pillow writes no such directory into a TIFF
        assert picture.taken_at == datetime(2021, 2, 3, 4, 5, 6)


@pytest.mark.parametrize(
    "form", ["WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF", "JXL", "JPEG2000", "ICO", "TGA", "PPM"]
)
def test_other_formats_look_like_what_they_were_made_of(full: Decoder, scaled: Decoder, form: str) -> None:
    import pillow_heif
    import pillow_jxl  # noqa: F401

    pillow_heif.register_heif_opener()
    image = photo(192, 128) if form != "ICO" else photo(192, 128).resize((128, 128))
    data = encoded(image, form, **({"quality": 95} if form in ("WEBP", "AVIF", "HEIF") else {}))
    whole = full.decode(data, name="a")
    assert mean_difference(whole.rgb, np.asarray(image)) < 6
    assert whole.rgb.dtype == np.uint8 and whole.rgb.flags.c_contiguous


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF"])
def test_other_formats_are_reduced_to_the_need(scaled: Decoder, form: str) -> None:
    picture = scaled.decode(encoded(photo(640, 427), form), name="a")
    assert picture.rgb.shape == (107, 160, 3)
    assert (picture.width, picture.height, picture.is_exact) == (640, 427, False)


def test_cmyk_jpeg_by_adobe_is_not_inverted(full: Decoder) -> None:
    image = photo(160, 107)
    picture = full.decode(encoded(image.convert("CMYK"), "JPEG", quality=95), name="a")
    assert mean_difference(picture.rgb, np.asarray(image)) < 6


def test_sixteen_bit_png_is_scaled(full: Decoder) -> None:
    ramp = np.linspace(0, 65_535, 256, dtype=np.uint16)[None].repeat(4, 0)
    picture = full.decode(encoded(Image.fromarray(ramp), "PNG"), name="a")
    assert np.abs(picture.rgb[0, :, 0].astype(int) - np.arange(256)).max() <= 1


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG"])
def test_the_first_frame_of_an_animation_is_the_picture(full: Decoder, form: str) -> None:
    frames = [Image.new("RGB", (32, 32), color) for color in ("red", "green", "blue")]
    data = encoded(
        frames[0],
        form,
        save_all=True,
        append_images=frames[1:],
        **({"lossless": True} if form == "WEBP" else {}),
    )
    assert (full.decode(data, name="a").rgb == (255, 0, 0)).all()


@pytest.mark.parametrize(
    ("settings", "data", "message"),
    [
        (
            DecodeSettings(),
            png_claiming(100_000, 90_000),
            "9,000,000,000 pixels; at most 300,000,000 (max_pixels)",
        ),
        (DecodeSettings(max_pixels=100), JPEG_20, "400 pixels; at most 100 (max_pixels)"),
        (
            DecodeSettings(max_pixels=100),
            encoded(photo(20, 20), "WEBP"),
            "400 pixels; at most 100 (max_pixels)",
        ),
        (DecodeSettings(max_pixels=100), ICO_20, "400 pixels; at most 100 (max_pixels)"),
        (DecodeSettings(max_bytes=50), encoded(photo(20, 20), "BMP"), "1,254 bytes; at most 50 (max_bytes)"),
        (DecodeSettings(), LINE_501, "501 × 1 pixels, sides in the ratio 501; at most 500 (max_aspect)"),
    ],
)
def test_limits_name_the_file_the_value_and_the_setting(
    settings: DecodeSettings, data: bytes, message: str
) -> None:
    decoder = Decoder(settings, [PixelNeed(None)])
    with pytest.raises(ImageLimitError) as caught:
        decoder.decode(data, name="holiday.jpg")
    decoder.close()
    assert str(caught.value) == f"holiday.jpg: {message.replace('(', '(decode.')}"


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
def test_too_many_frames_are_refused(form: str) -> None:
    frames = [Image.new("RGB", (16, 16), (40 * i, 0, 0)) for i in range(6)]
    data = encoded(frames[0], form, save_all=True, append_images=frames[1:])
    decoder = Decoder(DecodeSettings(max_frames=4), [PixelNeed(None)])
    with pytest.raises(ImageLimitError, match=r"a\.x: .*frames; at most 4 \(decode\.max_frames\)"):
        decoder.decode(data, name="a.x")
    decoder.close()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF", "JXL"])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_truncated_pictures_are_refused(full: Decoder, form: str, part: float) -> None:
    import pillow_heif
    import pillow_jxl  # noqa: F401

    pillow_heif.register_heif_opener()
    data = encoded(photo(200, 133), form)
    with pytest.raises(CorruptImageError, match=r"cut\.x: "):
        full.decode(data[: int(len(data) * part)], name="cut.x")


def test_a_jpeg_that_ends_early_but_properly_is_refused(full: Decoder) -> None:
    data = encoded(photo(200, 133), "JPEG")
    with pytest.raises(CorruptImageError, match=r"cut\.jpg: a damaged JPEG: .*premature end"):
        full.decode(data[: len(data) // 2] + b"\xff\xd9", name="cut.jpg")


def test_stray_bytes_between_segments_do_no_harm_but_hide_no_truncation(full: Decoder) -> None:
    data = encoded(photo(200, 133), "JPEG")
    table = data.index(b"\xff\xdb")
    stray = data[:table] + b"\0\0\0" + data[table:]
    assert np.array_equal(full.decode(stray, name="a").rgb, pixels_of(data))
    with pytest.raises(CorruptImageError, match=r"truncated"):
        full.decode(stray[: len(stray) // 2], name="a")


def test_broken_exif_beside_stray_bytes_does_not_warn(full: Decoder) -> None:
    data = encoded(photo(200, 133), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x05\x01")
    table = data.index(b"\xff\xdb")
    picture = full.decode(data[:table] + b"\0" + data[table:], name="a")  # warnings are errors in tests
    assert np.array_equal(picture.rgb, full.decode(data, name="a").rgb)


def test_a_bomb_of_text_in_a_png_is_an_error(full: Decoder) -> None:
    from PIL import PngImagePlugin

    info = PngImagePlugin.PngInfo()
    info.add_text("bomb", "0" * 70_000_000, zip=True)
    data = encoded(photo(20, 20), "PNG", pnginfo=info)
    assert len(data) < 200_000
    with pytest.raises(CorruptImageError, match=r"bomb\.png: "):
        full.decode(data, name="bomb.png")


def test_jpeg_and_png_start_no_process(scaled: Decoder) -> None:
    decoder = Decoder(DecodeSettings(), [PixelNeed(64)])
    before = len(psutil.Process().children())
    decoder.decode(encoded(photo(64, 64), "JPEG"), name="a")
    decoder.decode(encoded(photo(64, 64), "PNG"), name="a")
    assert len(psutil.Process().children()) == before


def test_pillows_own_limit_is_left_alone(full: Decoder) -> None:
    before = Image.MAX_IMAGE_PIXELS
    full.decode(encoded(photo(64, 64), "PNG"), name="a")
    full.decode(encoded(photo(64, 64), "WEBP"), name="a")
    assert before == Image.MAX_IMAGE_PIXELS


def test_text_is_not_a_picture(full: Decoder) -> None:
    with pytest.raises(UnsupportedFormatError, match=r"notes\.jpg: a text file"):
        full.decode(b"hello, world\n", name="notes.jpg")


def test_read_gives_the_bytes(full: Decoder, tmp_path: Path) -> None:
    file = tmp_path / "a.jpg"
    file.write_bytes(b"abc")
    assert full.read(file) == b"abc"
    (tmp_path / "link").symlink_to(file)
    assert full.read(tmp_path / "link") == b"abc"


def test_read_refuses_what_is_no_readable_file(full: Decoder, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    cases = {tmp_path: "a folder", tmp_path / "pipe": "a named pipe", Path("/dev/zero"): "a device"}
    cases[tmp_path / "gone"] = "cannot be read: No such file"
    for path, reason in cases.items():
        with pytest.raises(ImageError) as caught:
            full.read(path)
        assert str(caught.value).startswith(f"{path}: {reason}")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        with pytest.raises(ImageError, match=r"cannot be read: "):
            full.read(tmp_path / "s")
    with pytest.raises(ImageError, match=r"cannot be read: embedded null"):
        full.read(Path("a\0b"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_read_says_when_it_may_not(full: Decoder, tmp_path: Path) -> None:
    file = tmp_path / "secret.jpg"
    file.write_bytes(b"abc")
    file.chmod(0)
    with pytest.raises(ImageError, match=r"secret\.jpg: cannot be read: Permission denied"):
        full.read(file)


def test_read_checks_the_size_before_reading(tmp_path: Path) -> None:
    file = tmp_path / "huge.jpg"
    with file.open("wb") as sparse:
        sparse.truncate(2**40)
    with pytest.raises(ImageLimitError, match=r"huge\.jpg: 1,099,511,627,776 bytes; at most 536,870,912"):
        Decoder(DecodeSettings(), [PixelNeed(None)]).read(file)


def test_many_threads_share_one_decoder(full: Decoder) -> None:
    from concurrent.futures import ThreadPoolExecutor

    files = [encoded(Image.new("RGB", (40 + i, 40), (i, 2 * i, 3 * i)), "BMP") for i in range(24)]
    with ThreadPoolExecutor(8) as threads:
        pictures = list(threads.map(lambda data: full.decode(data, name="a"), files))
    for i, picture in enumerate(pictures):
        assert picture.rgb.shape == (40, 40 + i, 3)
        assert (picture.rgb == (i, 2 * i, 3 * i)).all()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("region", [(0.25, 0.5, 0.5, 0.25), (0, 0, 0.1, 1), (0.999, 0.999, 0.001, 0.001)])
def test_a_region_is_decoded_as_finely_as_a_picture(
    scaled: Decoder, full: Decoder, form: str, region: tuple[float, float, float, float]
) -> None:
    data = encoded(photo(640, 400), form)
    whole = full.decode(data, name="a").rgb
    x, y, width, height = (round(share * side) for share, side in zip(region, (640, 400) * 2, strict=True))
    expected = whole[min(y, 399) : y + max(1, height), min(x, 639) : x + max(1, width)]
    assert np.array_equal(full.decode(data, name="a", region=region).rgb, expected)
    found = scaled.decode(data, name="a", region=region)
    assert max(found.rgb.shape) >= min(150, max(expected.shape))
    assert (found.width, found.height) == (max(1, width), max(1, height))
    assert found.rgb.flags.c_contiguous


def test_a_region_is_of_the_upright_picture(full: Decoder) -> None:
    data = encoded(photo(60, 40), "JPEG", exif=exif(orientation=6))
    upright = full.decode(data, name="a").rgb
    assert upright.shape == (60, 40, 3)
    lower_half = full.decode(data, name="a", region=(0, 0.5, 1, 0.5))
    assert np.array_equal(lower_half.rgb, upright[30:])
    assert (lower_half.width, lower_half.height) == (40, 30)
