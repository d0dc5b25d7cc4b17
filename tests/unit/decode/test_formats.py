import pytest

from ambience.decode.formats import PILLOW_NAMES, sniff
from ambience.errors import UnsupportedFormatError
from support.picture_samples import encoded, photo


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("JPEG", "jpeg"),
        ("PNG", "png"),
        ("GIF", "gif"),
        ("WEBP", "webp"),
        ("BMP", "bmp"),
        ("TIFF", "tiff"),
        ("AVIF", "avif"),
        ("ICO", "ico"),
        ("TGA", "tga"),
        ("PPM", "pnm"),
        ("PCX", "pcx"),
        ("SGI", "sgi"),
        ("DDS", "dds"),
        ("JPEG2000", "jp2"),
        ("QOI", "qoi"),
    ],
)
def test_formats_are_told_from_their_bytes(form: str, expected: str) -> None:
    assert sniff(encoded(photo(32, 24), form), name="a") == expected
    assert expected in PILLOW_NAMES


@pytest.mark.parametrize(
    ("data", "noun"),
    [
        (b"", "an empty file"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "an HTML page"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG drawing"),
        (b"<svg></svg>", "an SVG drawing"),
        ("Schöne Grüße\n".encode() * 400, "a text file"),
        (b"%PDF-1.7", "a PDF document"),
        (b"PK\x03\x04rest", "a ZIP archive"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isommp42", "an MP4 or QuickTime video"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "a PostScript document"),
        (b"\0" * 64, "a file of zeros"),
        (b"\x93\x01\xfe\xdc\xba" * 9, "data of an unknown format"),
    ],
)
def test_what_is_no_picture_is_called_by_its_name(data: bytes, noun: str) -> None:
    with pytest.raises(UnsupportedFormatError, match=f"^holiday.jpg: {noun}.*webp"):
        sniff(data, name="holiday.jpg")


def test_an_uncompressed_tga_is_not_taken_for_a_cursor() -> None:
    data = encoded(photo(32, 24), "TGA")
    assert data[:4] == b"\0\0\2\0"
    assert sniff(data, name="a") == "tga"
    assert sniff(b"\0\0\2\0\1\0" + bytes(40), name="a") == "cur"
