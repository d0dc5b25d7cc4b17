"""The program that `test_kill.py` kills: threads that change one library, and say what was acknowledged.

Run as `python killed_writer.py`. It imports what a library needs, once, and forks a process for each line on
stdin, a JSON list [FOLDER, SEED, OUTPUT, ERRORS], whose id it answers, and its exit code once it has ended.

Each line of that process on OUTPUT, a named pipe, is written after a call returned, in one `write` of less
than a pipe's atomic size, so that a kill leaves no half line. Before a call, a line says what it is about to
do: the parent then knows the only changes whose fate is open.
"""

import importlib
import io
import json
import os
import random
import sys
import threading
import traceback
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import ambience
from ambience import registry
from ambience.answers import Query
from ambience.datatypes import ImageState
from ambience.library import Library
from ambience.models._openvino import imported_openvino
from ambience.settings import IndexSettings, IngestSettings, Settings

SHARED_VERSIONS = 40
"""Uploads draw their bytes from so many pictures, so that several images share a file."""
FIRST_GIVEN_ID = 2**52
"""Ids from here on are given by callers, and do not move the sequence."""
KINDS = ("color", "global_features", "local_features", "phash")
"""Words are left out: they are stored and indexed like global_features, and would only cost time."""
MOST_OWNED = 25
MOST_FILES = 30


@cache
def picture(version: int) -> bytes:
    """A small picture with texture, different for each version."""
    file = io.BytesIO()
    coarse = np.random.default_rng(version).integers(0, 256, (8, 8, 3), np.uint8)
    Image.fromarray(coarse).resize((64, 64), Image.Resampling.BICUBIC).save(file, "PNG", compress_level=1)
    return file.getvalue()


def settings_of(folder: Path) -> Settings:
    """Snapshots all the time; indexes that are trained at a few dozen vectors, and visit all their lists."""
    lists = {"index_lists": 8, "index_probes": 8}
    return Settings(
        library=folder / "library",
        ingest=IngestSettings(threads=2, commit_images=3, commit_interval_s=0.01),
        index=IndexSettings(snapshot_interval_s=0.01),
        annotate={name: {"enabled": False} for name in registry.names("ambience.annotate")},
        kinds={
            "phash": {**lists, "index_inverted_from": 60},
            "color": {**lists, "index_train_from": 60, "index_shortlist": 10_000},
            "local_features": {**lists, "index_train_from": 15},
            "image_text_features": {"enabled": False},
        },
    )


def say(**fields: Any) -> None:
    """One line to the parent."""
    os.write(sys.stdout.fileno(), json.dumps(fields).encode() + b"\n")


class Worker(threading.Thread):
    """Works on images of its own, so that the order of its lines is the order of their fates."""

    def __init__(self, library: Library, name: str, seed: int) -> None:
        super().__init__(name=name, daemon=True)
        self.library = library
        self.random = random.Random(f"{seed} {name}")
        self.seed, self.count = seed, 0

    def run(self) -> None:
        while True:
            self.step()

    def step(self) -> None:
        raise NotImplementedError

    def told(self, act: Callable[[], Any], **said: Any) -> Any:
        """Says what is to be done, does it, says that it was done."""
        say(event="about", thread=self.name, **said)
        result = act()
        image_id = getattr(result, "image_id", None)
        say(event="done", thread=self.name, **({} if image_id is None else {"image_id": image_id}))
        return result

    def number(self) -> int:
        """A number that no other cycle and no other thread has."""
        self.count += 1
        return self.seed * 100_000 + self.count

    def tag(self, image_id: int, **said: Any) -> None:
        tags = sorted(self.random.sample(["sea", "sky", "sun"], self.random.randint(0, 3)))
        self.told(
            lambda: self.library.set_tags(image_id, tags), what="tag", image_id=image_id, tags=tags, **said
        )

    def remove(self, image_id: int, **said: Any) -> None:
        purge = self.random.random() < 0.5
        self.told(
            lambda: self.library.remove(image_id, purge=purge), what="remove", image_id=image_id, **said
        )


class Uploader(Worker):
    """add_image, set_tags, remove; its images are known by the beginning of their names."""

    def __init__(self, library: Library, name: str, seed: int, owned: list[int]) -> None:
        super().__init__(library, name, seed)
        self.owned = owned

    def step(self) -> None:
        draw = self.random.random() * len(self.owned) / MOST_OWNED
        if draw < 0.3:
            self.add()
        elif draw < 0.5:
            self.tag(self.random.choice(self.owned))
        else:
            self.remove(self.owned.pop(self.random.randrange(len(self.owned))))

    def add(self) -> None:
        version, name = self.random.randrange(SHARED_VERSIONS), f"{self.name}-{self.number()}"
        added = self.told(
            lambda: self.library.add_image(picture(version), name=name, tags=["new"]),
            what="upload",
            name=name,
            version=version,
        )
        self.owned.append(added.image_id)


class Calculator(Worker):
    """add_feature under given ids, remove_feature, remove: as clients of the original system do."""

    def __init__(self, library: Library, name: str, seed: int, owned: dict[int, set[str]]) -> None:
        super().__init__(library, name, seed)
        self.owned = owned

    def step(self) -> None:
        draw = self.random.random() * len(self.owned) / MOST_OWNED
        if draw < 0.3:
            self.add(FIRST_GIVEN_ID + self.number(), self.random.choice(KINDS))
            return
        image_id = self.random.choice(list(self.owned))
        kinds = self.owned[image_id]
        if draw < 0.45 and len(kinds) < len(KINDS):
            self.add(image_id, self.random.choice([kind for kind in KINDS if kind not in kinds]))
        elif draw < 0.6:
            kind = self.random.choice(sorted(kinds))
            self.told(
                lambda: self.library.remove_feature(kind, image_id),
                what="remove_feature",
                image_id=image_id,
                kind=kind,
            )
            kinds.discard(kind)
            if not kinds:
                del self.owned[image_id]
        else:
            self.remove(image_id)
            del self.owned[image_id]

    def add(self, image_id: int, kind: str) -> None:
        data = picture(image_id)
        self.told(
            lambda: self.library.add_feature(kind, image_id, data),
            what="feature",
            image_id=image_id,
            kind=kind,
        )
        self.owned.setdefault(image_id, set()).add(kind)


class Keeper(Worker):
    """Writes, rewrites, moves and deletes files of a folder, and adds the folder after each few changes."""

    def __init__(self, library: Library, name: str, seed: int, photos: Path) -> None:
        super().__init__(library, name, seed)
        self.photos = photos

    def step(self) -> None:
        names = sorted(each.name for each in self.photos.iterdir())
        records = [each for each in self.library.list_images(limit=100_000) if each.path is not None]
        gone = [each for each in records if each.state is ImageState.MISSING]
        if gone and self.random.random() < 0.3:
            record = self.random.choice(gone)
            self.remove(record.image_id, file=record.name)
        elif records and self.random.random() < 0.2:
            record = self.random.choice(records)
            self.tag(record.image_id, file=record.name)
        else:
            changes = self.changes(names, [each.name for each in gone])
            self.told(lambda: self.add(changes), what="folder", changes=changes)

    def changes(self, names: list[str], gone: list[str]) -> list[list[Any]]:
        """Some changes, each of a file that no other one touches."""
        chosen = self.random.sample(names, min(len(names), 3))
        made: list[list[Any]] = []
        for name in chosen:
            draw = self.random.random() * len(names) / MOST_FILES
            what = "delete" if draw > 0.5 else "move" if draw > 0.25 else "write"
            made.append({"delete": [what, name]}.get(what) or [what, name, self.number()])
        made += [["write", f"{each}.png", each] for each in (self.number(), self.number())]
        if gone and gone[0] not in names and self.random.random() < 0.3:
            made.append(["write", gone[0], self.number()])  # the same path is the same image
        return made

    def add(self, changes: list[list[Any]]) -> None:
        for what, name, *rest in changes:
            file = self.photos / name
            if what == "delete":
                file.unlink()
            elif what == "move":
                file.rename(self.photos / f"{rest[0]}.png")
            else:
                beside = self.photos.with_name("beside.png")
                beside.write_bytes(picture(rest[0]))
                beside.replace(file)
        report = self.library.add_paths([self.photos])
        assert report.failed == (), report.failed


class Rebuilder(Worker):
    """Makes indexes anew, with and without looking at every feature."""

    def step(self) -> None:
        self.library.rebuild([self.random.choice(KINDS)], features=self.random.random() < 0.5)


def work(folder: Path, seed: int) -> None:
    """Opens the library, shares the images there are among the threads, and works until killed."""
    library = ambience.open(settings=settings_of(folder), writer=True, timeout_s=10)
    records = library.list_images(limit=100_000)
    uploads = {
        name: [each.image_id for each in records if each.name.startswith(f"{name}-")] for name in ("u1", "u2")
    }
    given = {each.image_id: set(each.features) for each in records if each.image_id >= FIRST_GIVEN_ID}
    workers: list[Worker] = [Uploader(library, name, seed, owned) for name, owned in uploads.items()]
    workers.append(Calculator(library, "calculator", seed, given))
    workers.append(Keeper(library, "keeper", seed, folder / "photos"))
    if seed % 2:
        workers.append(Rebuilder(library, "rebuilder", seed))
    library.search(Query(data=picture(0)))  # loads what is loaded at first use
    say(event="open")
    for worker in workers:
        worker.start()
    threading.Event().wait()


def import_what_takes_long() -> None:
    """The libraries that features and indexes are made with, none of which starts a thread by that alone."""
    for folder in ("ambience.extract", "ambience.index"):
        for name in registry.names(folder):
            registry.load(folder, name)
    for module in ("cv2", "faiss", "numba.np.arraymath", "ambience.extract._sift_loops"):
        importlib.import_module(module)
    imported_openvino()


def become(folder: str, seed: int, output: str, errors: str) -> None:
    """What a fork does, which nothing but a kill may end."""
    files = [(os.devnull, os.O_RDONLY), (output, os.O_WRONLY), (errors, os.O_WRONLY | os.O_CREAT)]
    for number, (path, flags) in enumerate(files):
        os.dup2(os.open(path, flags), number)
    try:
        work(Path(folder), seed)
    finally:
        traceback.print_exc()
        os._exit(1)


def main() -> None:
    """Forks until stdin ends."""
    import_what_takes_long()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            become(*json.loads(line))
        say(pid=child)
        say(code=os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


if __name__ == "__main__":
    main()
