"""Records of photographs that need not be there: what libraries of made features are filled with."""

import hashlib
from pathlib import Path

from ambience.datatypes import ImageDraft


def camera_draft(number: int, file: Path | None = None) -> ImageDraft:
    """A photograph of a camera, in folders of a thousand; the path of its file where there is one."""
    name = f"IMG_{number:07d}.jpg"
    return ImageDraft(
        sha256=hashlib.sha256(name.encode()).digest(),
        size=1_500_000 + number,
        name=name,
        path=str(file or f"/home/someone/Pictures/{number // 1000:04d}/{name}"),
        mtime_ns=1_700_000_000_000_000_000 + number,
        format="jpeg",
        width=4000,
        height=3000,
    )
