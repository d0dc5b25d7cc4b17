"""Words in pictures: how well they are read, and found.

    python benchmarks/text.py [--pictures DIR] [--icdar DIR] [--sroie DIR] [--models DIR] [--rapidocr PYTHON]
                              [--photos DIR] [--million] [--quick] [--json FILE] [--update-docs]

DIR of `--pictures` holds a `manifest.json` of pictures with known text; copies of ICDAR 2015 and SROIE lie
with their annotations beside the pictures. Pages of every script are rendered in the fonts of this machine.
`--rapidocr` names a Python in which rapidocr is installed, whose own pipeline then stands beside ours.
With `--photos`, pictures are found by words (`word_queries.py`); `--million` searches a million lines.
"""

import argparse
from pathlib import Path

import million_lines
import word_queries
from ocr_inputs import annotated_samples, manifest_samples
from ocr_reading import report_reading
from report import Report, finish

QUICK_PADDING, QUICK_LINES = 100, 50_000
PACKAGES = ("ambience", "openvino", "opencv-python-headless", "numpy", "pillow")


def main() -> None:
    """Measures what was asked for."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    for name in ("pictures", "icdar", "sroie", "models", "rapidocr", "json"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--photos", type=Path, help="photographs: measures search by words over pictures")
    parser.add_argument("--million", action="store_true", help="measures search over a million lines")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--update-docs", action="store_true")
    given = parser.parse_args()
    samples = list(manifest_samples(given.pictures)) if given.pictures else []
    samples += annotated_samples(given.icdar, "ICDAR 2015") if given.icdar else []
    samples += annotated_samples(given.sroie, "SROIE") if given.sroie else []
    report = Report("text", _command(given), packages=PACKAGES)
    report_reading(report, samples, models=given.models, peer=given.rapidocr, quick=given.quick)
    if given.photos and given.pictures:
        padding = QUICK_PADDING if given.quick else word_queries.PADDING
        word_queries.fill_report(report, given.photos, given.pictures, padding=padding, models=given.models)
    if given.million:
        million_lines.fill_report(report, QUICK_LINES if given.quick else million_lines.LINES)
    finish(report, update_docs=given.update_docs, json_file=given.json)


def _command(given: argparse.Namespace) -> str:
    """What makes these figures, with the last names of folders alone."""
    words = ["python benchmarks/text.py"]
    for name in ("pictures", "icdar", "sroie", "photos"):
        folder = getattr(given, name)
        words += [f"--{name} {folder.resolve().name}"] if folder else []
    words += ["--million"] if given.million else []
    words += ["--rapidocr PYTHON"] if given.rapidocr else []
    return " ".join(words + (["--quick"] if given.quick else []))


if __name__ == "__main__":
    main()
