import io
import struct
from datetime import datetime

import pytest
from PIL import Image

from ambience.decode.exif import NO_FACTS, read_exif
from ambience.decode.headers import gif_frames, jpeg_header, jxl_size, png_header, tiff_pages
from ambience.errors import CorruptImageError, UnsupportedFormatError
from support.picture_samples import encoded, exif, photo


def test_a_jpeg_header_says_size_orientation_and_time() -> None:
    data = encoded(photo(120, 80), "JPEG", exif=exif(6, "2019:07:31 23:59:58"), icc_profile=b"p" * 70_000)
    header = jpeg_header(data, name="a")
    assert (header.width, header.height, header.orientation) == (120, 80, 6)
    assert header.taken_at == datetime(2019, 7, 31, 23, 59, 58)
    assert header.profile == b"p" * 70_000  # which spans two segments
    assert header.is_plain


def test_what_simplejpeg_should_not_decode_is_not_plain() -> None:
    assert not jpeg_header(encoded(photo(16, 16).convert("CMYK"), "JPEG"), name="a").is_plain
    assert jpeg_header(encoded(photo(16, 16).convert("L"), "JPEG"), name="a").is_plain


def test_a_jpeg_of_very_many_scans_costs_more_than_its_size() -> None:
    data = encoded(photo(16, 16), "JPEG", progressive=True)
    assert jpeg_header(data, name="a").cost == 256
    assert jpeg_header(data + b"\xff\xda" * 16_000, name="a").cost > 256 * 500


def test_twelve_bits_are_refused_by_name() -> None:
    data = bytearray(encoded(photo(16, 16), "JPEG"))
    data[data.index(b"\xff\xc0") + 4] = 12
    with pytest.raises(UnsupportedFormatError, match=r"a\.jpg: a 12-bit JPEG"):
        jpeg_header(bytes(data), name="a.jpg")


def test_every_truncation_of_a_jpeg_header_is_an_error_or_a_header() -> None:
    data = encoded(photo(16, 16), "JPEG", exif=exif(3, "2019:07:31 23:59:58"))
    scan = data.index(b"\xff\xda")
    outcomes = set()
    for length in range(3, scan + 4):
        try:
            outcomes.add(jpeg_header(data[:length], name="a").width)
        except CorruptImageError:
            outcomes.add(0)
    assert outcomes == {0, 16}


def test_a_jpeg_of_nothing_but_segments_ends_soon() -> None:
    with pytest.raises(CorruptImageError, match=r"without a picture"):
        jpeg_header(b"\xff\xd8" + b"\xff\xe0\0\2" * 1_000_000, name="a")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("code", [3, 4])
def test_orientation_in_both_byte_orders_as_short_and_long(order: str, code: int) -> None:
    value = struct.pack(order + ("H2x" if code == 3 else "I"), 8)
    block = (
        (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IHHHI", 8, 1, 0x0112, code, 1) + value
    )
    assert read_exif(block).orientation == 8
    assert read_exif(b"Exif\0\0" + block).orientation == 8


@pytest.mark.parametrize("when", ["0000:00:00 00:00:00", "    :  :     :  :  ", "2020-01-01 00:00:00"])
def test_a_meaningless_date_is_no_date(when: str) -> None:
    assert read_exif(exif(1, when).tobytes()).taken_at is None


def test_broken_exif_counts_as_absent() -> None:
    whole = exif(5, "2019:07:31 23:59:58").tobytes()
    for length in range(len(whole)):
        facts = read_exif(whole[:length])
        assert facts.orientation in (1, 5)
    assert read_exif(b"Exif\0\0MM\0*\xff\xff\xff\xff") == NO_FACTS


def test_png_frames_and_depth() -> None:
    frames = [photo(16, 16), photo(16, 16).rotate(90), photo(16, 16).rotate(180)]
    animated = encoded(frames[0], "PNG", save_all=True, append_images=frames[1:])
    assert png_header(animated, name="a").frames == 3
    assert not png_header(animated, name="a").is_plain
    assert png_header(encoded(frames[0], "PNG"), name="a").is_plain
    deep = Image.new("I;16", (4, 4))
    assert not png_header(encoded(deep, "PNG"), name="a").is_plain
    with pytest.raises(CorruptImageError, match=r"a\.png: a PNG without a header"):
        png_header(b"\x89PNG\r\n\x1a\n\0\0", name="a.png")


def test_gif_frames_are_counted_without_decoding() -> None:
    frames = [photo(16, 16).rotate(30 * i) for i in range(5)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert Image.open(io.BytesIO(data)).n_frames == 5
    assert gif_frames(data, at_most=100) == 5
    assert gif_frames(data, at_most=2) == 3
    assert gif_frames(data[:-200], at_most=100) <= 5


def test_tiff_pages_are_counted_and_circles_end() -> None:
    data = encoded(photo(8, 8), "TIFF", save_all=True, append_images=[photo(8, 8)] * 3)
    assert tiff_pages(data, at_most=100) == 4
    circle = b"II*\0" + struct.pack("<IHI", 8, 0, 8)
    assert tiff_pages(circle, at_most=50) == 51


@pytest.mark.parametrize("size", [(8, 8), (300, 200), (257, 1), (1, 4000), (1920, 1080), (2048, 2048)])
def test_size_of_a_jpeg_xl(size: tuple[int, int]) -> None:
    import pillow_jxl  # noqa: F401

    data = encoded(Image.new("RGB", size), "JXL", effort=1)
    assert jxl_size(data) == size
    boxed = b"\0\0\0\x0cJXL \r\n\x87\n" + struct.pack(">I4s", 8 + len(data), b"jxlc") + data
    assert jxl_size(boxed) == size
    assert jxl_size(b"\0\0\0\x0cJXL \r\n\x87\n") == (0, 0)
