"""What is refused because of its size; every message names the setting that holds the limit."""

from ambience.errors import CorruptImageError, ImageLimitError
from ambience.settings import DecodeSettings


def check_bytes(count: int, settings: DecodeSettings, *, name: str) -> None:
    """Refuse a file that is too large.

    Raises:
        ImageLimitError: more than `decode.max_bytes`.
    """
    if count > settings.max_bytes:
        raise ImageLimitError(f"{name}: {count:,} bytes; at most {settings.max_bytes:,} (decode.max_bytes)")


def check_size(width: int, height: int, settings: DecodeSettings, *, name: str) -> None:
    """Refuse a picture that has too many pixels, is too long and thin, or has none.

    Raises:
        ImageLimitError: over `decode.max_pixels` or `decode.max_aspect`.
        CorruptImageError: a side of zero pixels.
    """
    if width < 1 or height < 1:
        raise CorruptImageError(f"{name}: {width} × {height} pixels; the header is damaged")
    if width * height > settings.max_pixels:
        raise ImageLimitError(
            f"{name}: {width * height:,} pixels; at most {settings.max_pixels:,} (decode.max_pixels)"
        )
    aspect = max(width, height) / min(width, height)
    if aspect > settings.max_aspect:
        raise ImageLimitError(
            f"{name}: {width} × {height} pixels, sides in the ratio {aspect:,.0f}; "
            f"at most {settings.max_aspect:,.0f} (decode.max_aspect)"
        )


def check_frames(frames: int, settings: DecodeSettings, *, name: str, is_counted_whole: bool = True) -> None:
    """Refuse an animation that is too long.

    Args:
        frames: how many there are, or how many were counted before counting stopped.
        settings: holds the limit.
        name: of the file.
        is_counted_whole: whether `frames` is all there are.

    Raises:
        ImageLimitError: more than `decode.max_frames`.
    """
    if frames > settings.max_frames:
        counted = f"{frames:,}" if is_counted_whole else f"more than {settings.max_frames:,}"
        raise ImageLimitError(
            f"{name}: {counted} frames; at most {settings.max_frames:,} (decode.max_frames)"
        )
