"""Duplicates of a whole library: how long finding them takes, in how much memory, and how right it is.

    python benchmarks/duplicates.py [--photos DIR] [--images N | --quick] [--seed N] [--json FILE]
        [--update-docs]

Photographs with known copies stand among others up to `--images` (`duplicates_library.py`). Everything goes
through the library itself: copies are files that are added, `find_duplicates` finds them, groups are asked
for. Where it was broken off, the same command goes on.
"""

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ambience
from ambience.copies import PAIRED
from ambience.datatypes import Verdict
from ambience.library import Library
from ambience.store.pair_file import VERSION
from duplicates_library import (
    HASH,
    POINTS,
    Copy,
    Filling,
    copies,
    fill_up,
    halves,
    settings_at,
    stamp_of,
    write_copies,
)
from local_building import Memory, Notes
from photos import Photo, find_photos
from report import Report, Table, cache_folder, finish

PACKAGES = ("ambience", "numpy", "numba", "opencv-python-headless", "faiss-cpu", "lmdb")
SEED = 1
IMAGES, QUICK_IMAGES = 100_000, 1_000
LATER = 100
"""Pictures that are added once everything is compared."""
WAIT_S = 2.0

SAME = ("same_file", "same_picture")
ALTERED = ("edited", "part")


@dataclass(frozen=True)
class Rightness:
    """Of one sort of copies.

    Attributes:
        precision: share of images in groups that show what the kept one shows.
        recall: share of the known copies that are in one group with their photograph.
        members: that precision is of.
        known: that recall is of.
    """

    precision: float
    recall: float
    members: int
    known: int


def rightness(
    groups: Sequence[Sequence[int]], photos: Mapping[int, int], known: Mapping[int, int]
) -> Rightness:
    """How right groups are.

    Args:
        groups: image ids of each, the kept one first.
        photos: image id → what it shows; images that are not there show what no other shows.
        known: copy → its photograph, by image id.

    Returns:
        1 where there is nothing to be right about.
    """
    place = {image_id: number for number, group in enumerate(groups) for image_id in group}
    pairs = [(group[0], member) for group in groups for member in group[1:]]
    right = sum(photos.get(keep, -1) == photos.get(member, -2) for keep, member in pairs)
    found = sum(
        copy in place and place[copy] == place.get(photograph, -1) for copy, photograph in known.items()
    )
    return Rightness(
        right / len(pairs) if pairs else 1.0,
        found / len(known) if known else 1.0,
        len(pairs),
        len(known),
    )


def measure(photos_folder: Path | None, *, images: int, seed: int) -> Report:
    """Makes the library, has its duplicates found, and judges them.

    Args:
        photos_folder: photographs; None: those of scikit-image.
        images: of the library.
        seed: of everything drawn.

    Returns:
        Tables and figures.
    """
    found = find_photos(photos_folder)
    shown, others = halves(found, seed)
    folder = cache_folder("duplicates") / stamp_of(found, images, seed)
    folder.mkdir(parents=True, exist_ok=True)
    wanted = _fitting(copies(len(shown), seed), images)
    notes = Notes(folder / "making.json")
    write_copies(folder / "pictures", shown, wanted, seed, others=others)
    _make(folder, wanted, Filling(others, seed=seed), images, notes)
    watch = Stopwatch(folder / f"compared-{VERSION}.json")  # another version compares everything once more
    with ambience.open(settings=settings_at(folder / "library"), writer=True) as library, Memory() as used:
        _find(library, watch)
        notes.peak(used)
        rows = judged(library, wanted, _ids(library))
        later = _add_later(library, folder, shown, others, seed)
    return _report(photos_folder, images, seed, {**notes.kept, **watch.kept}, rows, later)


def _fitting(wanted: Sequence[Copy], images: int) -> list[Copy]:
    """At most two thirds of a library are copies: whole photographs of them."""
    last = max((copy.photo for copy in wanted[: images * 2 // 3]), default=0)
    return [copy for copy in wanted if copy.photo < last or images > len(wanted) * 3 // 2]


def _make(folder: Path, wanted: Sequence[Copy], filling: Filling, images: int, notes: Notes) -> None:
    place = folder / "library"
    if (folder / "made").exists():
        return
    with ambience.open(settings=settings_at(place), writer=True) as library:
        notes.begin("added")
        report = library.add_paths([folder / "pictures"])
        notes.reach(report.added)
    filling.prepare(images - len(wanted))
    fill_up(place, filling, images, notes)
    with ambience.open(settings=settings_at(place), writer=True) as library:
        notes.begin("indexed")
        library.rebuild()
        notes.reach(images)
    (folder / "made").touch()


class Stopwatch:
    """Seconds and images of each kind that is compared, kept in a file as they come.

    Args:
        file: that what an earlier run took is read from.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.kept: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        self._done: dict[str, int] = {}
        self._last = time.perf_counter()

    def begin(self) -> None:
        """Starts the clock of another call."""
        self._done, self._last = {}, time.perf_counter()

    def __call__(self, kind: str, done: int, _total: int) -> None:
        """Notes what was done since the last time."""
        now = time.perf_counter()
        step = self.kept.setdefault(kind, {"seconds": 0.0, "images": 0})
        step["seconds"] += now - self._last
        step["images"] += done - self._done.get(kind, 0)
        self._done[kind], self._last = done, now
        self._file.write_text(json.dumps(self.kept), encoding="utf-8")


def _find(library: Library, watch: Stopwatch) -> None:
    """Compares all that was not compared yet."""
    while True:
        watch.begin()
        if not library.find_duplicates(on_progress=watch).pending:
            return
        time.sleep(WAIT_S)  # an index is on its way


def judged(library: Library, wanted: Sequence[Copy], ids: Mapping[str, int]) -> dict[str, Rightness]:
    """How right the groups are, of what leaves pictures the same and of what alters them.

    Args:
        library: in which all was compared.
        wanted: files of it.
        ids: name of a file → image id.

    Returns:
        By sort of copies.
    """
    photos = {ids[copy.name]: copy.photo for copy in wanted}
    photograph = {copy.photo: ids[copy.name] for copy in wanted if not copy.truth}
    found = {}
    for name, truths, verdicts in (
        ("same_file, same_picture", SAME, (Verdict.SAME_FILE, Verdict.SAME_PICTURE)),
        ("edited, part", ALTERED, PAIRED),
    ):
        known = {ids[copy.name]: photograph[copy.photo] for copy in wanted if copy.truth in truths}
        found[name] = rightness(_groups(library, verdicts), photos, known)
    return found


def _groups(library: Library, verdicts: Sequence[Verdict]) -> list[list[int]]:
    page = library.duplicates(verdicts=verdicts)
    groups = list(page.groups)
    while page.next is not None:
        page = library.duplicates(verdicts=verdicts, after=page.next)
        groups += page.groups
    return [[group.keep, *(each.image_id for each in group.members)] for group in groups]


def _ids(library: Library) -> dict[str, int]:
    """Name of each picture that has a file → image id; what fills the library has none."""
    found, after = {}, -1
    while page := library.list_images(after=after, limit=1000):
        after = page[-1].image_id
        found.update({each.name: each.image_id for each in page if Path(each.path or "/").is_file()})
    return found


def _add_later(
    library: Library, folder: Path, photos: Sequence[Photo], others: Sequence[Photo], seed: int
) -> dict[str, Any]:
    """Adds further copies to the finished library, and has them found."""
    later = [
        Copy(f"later-{photo:05d}-edited-{(photo + 5) % 7:02d}.jpg", photo, "edited")
        for photo in range(min(LATER, len(photos)))
    ]
    write_copies(folder / "later", photos, later, seed + 1, others=others)
    _remove_later(library)  # an earlier run was broken off
    start = time.perf_counter()
    report = library.add_paths([folder / "later"])
    added_s = time.perf_counter() - start
    _find(library, Stopwatch(folder / "later.json"))
    total_s = time.perf_counter() - start
    _remove_later(library)
    return {"pictures": report.added, "added_s": added_s, "found_s": total_s - added_s}


def _remove_later(library: Library) -> None:
    for name, image_id in _ids(library).items():
        if name.startswith("later-"):
            library.remove(image_id)


def _report(
    photos_folder: Path | None,
    images: int,
    seed: int,
    steps: Mapping[str, Any],
    rows: Mapping[str, Rightness],
    later: Mapping[str, Any],
) -> Report:
    hashes, points = (steps.get(kind, {"seconds": 0.0, "images": 0}) for kind in (HASH, POINTS))
    same, altered = rows.values()
    given = "" if photos_folder is None else f" --photos {photos_folder.name}"
    figures = {
        "same_minutes": round(hashes["seconds"] / 60, 2),
        "edited_minutes": round(points["seconds"] / 60, 1),
        "peak_gb": round(steps.get("peak_anonymous", 0) / 1e9, 2),
        "later_s": round(later["found_s"], 1),
        "same_precision": round(same.precision, 4),
        "same_recall": round(same.recall, 4),
        "edited_precision": round(altered.precision, 4),
        "edited_recall": round(altered.recall, 4),
    }
    return Report(
        name="duplicates",
        command=f"python benchmarks/duplicates.py{given} --images {images}",
        figures=figures,
        parameters={"images": images, "seed": seed},
        packages=PACKAGES,
        tables=[
            Table(
                "Finding the copies of a whole library",
                ("compared by", "pictures", "minutes", "ms a picture"),
                [
                    [
                        name,
                        step["images"],
                        step["seconds"] / 60,
                        1000 * step["seconds"] / max(1, step["images"]),
                    ]
                    for name, step in ((HASH, hashes), (POINTS, points))
                ],
            ),
            Table(
                "How right groups are",
                ("copies", "precision", "of members", "recall", "of known copies"),
                [[name, row.precision, row.members, row.recall, row.known] for name, row in rows.items()],
            ),
            Table(
                "Further copies, added later",
                ("pictures", "added in s", "found in s"),
                [[later["pictures"], later["added_s"], later["found_s"]]],
            ),
        ],
        notes=[
            "Pictures that fill the library are copies of nothing; their features are real, of pieces of "
            "photographs that have no copies in it."
        ],
        details={"steps": dict(steps)},
    )


def main() -> None:
    """Reads the command line, measures, tells."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--photos", type=Path, help="folder of photographs; default: those of scikit-image")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--images", type=int, default=IMAGES)
    size.add_argument("--quick", action="store_true", help=f"{QUICK_IMAGES:,} images")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--json", type=Path, help="write everything there as well")
    parser.add_argument("--update-docs", action="store_true", help="renew docs/benchmarks.md")
    given = parser.parse_args()
    images = QUICK_IMAGES if given.quick else given.images
    report = measure(given.photos, images=images, seed=given.seed)
    finish(report, update_docs=given.update_docs, json_file=given.json)


if __name__ == "__main__":
    main()
