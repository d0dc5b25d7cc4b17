"""A library in memory, and real servers of it in threads of this process.

The library is a double that is honest: methods, errors and answers are those of the real one, with two simple
kinds; pictures are decoded, described and compared, and nothing is canned.
"""

import hashlib
import io
import threading
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import httpx
import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError

from ambience.answers import (
    AddedImage,
    Answer,
    Evidence,
    Hit,
    KindStatus,
    Match,
    OriginalAnswer,
    Query,
    Ranking,
)
from ambience.datatypes import (
    FeatureSpec,
    FeatureState,
    ImageRecord,
    ImageState,
    Orientation,
    Picture,
    Verdict,
)
from ambience.decode.transforms import cropped
from ambience.errors import (
    AmbienceError,
    CorruptImageError,
    ImageIdTakenError,
    QueryError,
    StoreError,
    UnknownImageError,
    UnknownKindError,
    UnsupportedFormatError,
)
from ambience.fuse.folding import folded
from ambience.ingest.progress import IngestProgress, IngestReport
from ambience.inventory import KindInfo, LibraryInfo, UnusedFeatures
from ambience.paging import Wanted, digest_of, page
from ambience.search.combination import answering, settled
from ambience.search.filters import parsed
from ambience.search.original_figures import ExtentKnobs
from ambience.serve.http.run import Server
from ambience.settings import Settings
from ambience.stages import Stages
from ambience.store.base import FailedFile, Job, Problem
from ambience.words import USER, Annotation, Caption, Corner, ImageWords, Tag, TextLine, WordHit
from support.filter_oracle import keeps

ORIENTATIONS = [Orientation(turn, mirrored) for mirrored in (False, True) for turn in (0, 90, 180, 270)]


def turned(pixels, orientation):
    pixels = np.fliplr(pixels) if orientation.mirrored else pixels
    return np.rot90(pixels, orientation.rotation // 90)


class GridHash:
    """24×24 cells, brighter than the median or not."""

    spec = FeatureSpec(
        "phash", "copies", 576, "uint8", "hamming", 1, 33336, preprocessing="grid", is_distance_integer=True
    )

    def vector(self, pixels):
        grey = np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).convert("L").resize((24, 24)), "f4")
        return np.packbits(grey > np.median(grey))

    def distance(self, one, other):
        return float(np.bitwise_count(one ^ other).sum())


class ColorCells:
    """8×8×8 histogram that sums to one."""

    spec = FeatureSpec(
        "color", "same colors", 512, "float32", "l1", 1, 33335, preprocessing="cells", display_scale=1e7
    )

    def vector(self, pixels):
        cells = (pixels // 32).astype(np.int64) @ np.array([64, 8, 1])
        return (np.bincount(cells.ravel(), minlength=512) / cells.size).astype(np.float32)

    def distance(self, one, other):
        return float(np.abs(one - other).sum(dtype=np.float32))


@dataclass
class Stored:
    record: ImageRecord
    data: bytes
    vectors: dict = field(default_factory=dict)


class MemoryEveryKind:
    def __init__(self, library):
        self._library = library

    def add(self, image_id, data, *, name):
        self._library._decoded(data)
        return self._tried(lambda kind: self._library.add_feature(kind, image_id, data, name=name))

    def remove(self, image_id):
        self._library.image(image_id)
        gone = self._tried(lambda kind: self._library.remove_feature(kind, image_id))
        return {kind: not isinstance(found, UnknownImageError) for kind, found in gone.items()}

    def original(self, data, knobs, *, name="query"):
        self._library._decoded(data)
        query = Query(data=data)
        return self._tried(
            lambda kind: self._library.search_original(kind, query, knobs[kind], turned=True), list(knobs)
        )

    def _tried(self, ask, kinds=None):
        found = {}
        for kind in kinds or self._library.kinds:
            try:
                if kind in self._library.faults:
                    raise self._library.faults[kind]
                found[kind] = ask(kind)
            except AmbienceError as exc:
                found[kind] = exc
        return found


def line_of(text):
    return TextLine(text, (Corner(0, 0), Corner(1, 0), Corner(1, 1), Corner(0, 1)), 0.5, "Latn")


class MemoryLibrary:
    is_writer = True
    repairs = ()
    annotators: ClassVar = dict.fromkeys(("caption", "tags", "text"))

    def __init__(self, folder: Path, settings: Settings | None = None):
        self.folder = folder
        self.settings = settings or Settings(library=folder)
        self.kinds = {"color": ColorCells(), "phash": GridHash()}
        self._images: dict[int, Stored] = {}
        self._texts: dict[int, str] = {}
        self._captions: dict[int, tuple[Caption, ...]] = {}
        self._next = 0
        self._lock = threading.RLock()
        self.stages = Stages()
        self.gate = threading.Event()  # closed by a test to keep searches waiting
        self.gate.set()
        self.is_closed = False
        self.faults: dict[str, Exception] = {}  # by kind, what keeps it from answering
        self.pending: dict[str, int] = {}  # by kind, images that it has yet to get
        self.asked: list[Query] = []  # questions as they came, those that were refused included

    @property
    def specs(self):
        return {kind: extractor.spec for kind, extractor in self.kinds.items()}

    def services(self):
        return {}

    def forget_all(self):
        self._images.clear()
        self._texts.clear()
        self._captions.clear()
        self.faults.clear()
        self.pending.clear()
        self.asked.clear()
        self._next = 0

    # --- write

    def _decoded(self, data):
        try:
            with Image.open(io.BytesIO(data)) as image:
                return np.asarray(image.convert("RGB")), (image.format or "").lower()
        except UnidentifiedImageError as exc:
            raise UnsupportedFormatError(f"{data[:4]!r} begins no picture format that is read") from exc
        except (OSError, ValueError, SyntaxError) as exc:
            raise CorruptImageError(f"broken picture: {exc}") from exc

    def add_image(self, data, *, name="", image_id=None, tags=()):
        pixels, form = self._decoded(data)
        sha256 = hashlib.sha256(data).digest()
        with self._lock:
            is_new = image_id not in self._images
            if not is_new and self._images[image_id].record.sha256 != sha256:
                raise ImageIdTakenError(f"image {image_id} exists; give another id, or none")
            answer = self.search(Query(data=data))
            others = {i: stored for i, stored in self._images.items() if i != image_id}
            same = tuple(i for i, stored in others.items() if stored.record.sha256 == sha256)
            copies = tuple(
                match
                for match in answer.matches
                if match.verdict is not Verdict.SAME_COLORS and match.image_id in others
            )
            if not is_new:
                states = self._images[image_id].record.features
                return AddedImage(image_id, same, copies, dict(states), answer.kinds, is_new=False)
            image_id = self._next if image_id is None else image_id
            self._next = max(self._next, image_id + 1)
            path = self.folder / f"{image_id}.{form}"
            path.write_bytes(data)
            record = ImageRecord(
                sha256=sha256,
                size=len(data),
                name=name or "upload",
                path=str(path),
                is_upload=True,
                format=form,
                width=pixels.shape[1],
                height=pixels.shape[0],
                image_id=image_id,
                added_at=datetime.now(UTC),
                tags=tuple(sorted(tags)),
                features={kind: (FeatureState.DONE, "") for kind in self.kinds},
            )
            vectors = {kind: extractor.vector(pixels) for kind, extractor in self.kinds.items()}
            self._images[image_id] = Stored(record, data, vectors)
        return AddedImage(image_id, same, copies, dict(record.features), answer.kinds)

    def add_paths(self, paths, *, on_progress=None, stop=None, ids_from_names=False):
        files = [file for path in paths for file in (sorted(path.iterdir()) if path.is_dir() else [path])]
        done = 0
        for file in files:
            if stop is not None and stop.is_set():
                break
            self.gate.wait(20)
            self.add_image(file.read_bytes(), name=file.name)
            done += 1
            if on_progress:
                on_progress(IngestProgress(len(files), done, done, 0, 0, 1.0, None, str(file), True))
        failed = (FailedFile("/no\udcff.jpg", 1, 2, "image_corrupt", "broken"),)
        return IngestReport(found=len(files), added=done, failed=failed, was_stopped=done < len(files))

    def watch(self, paths, *, stop, on_report):
        on_report(self.add_paths(paths))
        stop.wait(20)

    def add_feature(self, kind, image_id, data, *, name=""):
        self._spec(kind)
        pixels, form = self._decoded(data)
        sha256 = hashlib.sha256(data).digest()
        with self._lock:
            stored = self._images.get(image_id)
            if stored is not None and (kind in stored.vectors or stored.record.sha256 != sha256):
                raise ImageIdTakenError(f"image {image_id} has a {kind} feature, or other bytes")
            if stored is None:
                record = ImageRecord(sha256, len(data), name, format=form, image_id=image_id)
                stored = Stored(replace(record, state=ImageState.FEATURES_ONLY), b"")
                self._images[image_id] = stored
            stored.vectors[kind] = self.kinds[kind].vector(pixels)
        return FeatureState.DONE, ""

    @property
    def every_kind(self):
        return MemoryEveryKind(self)

    def remove(self, image_id, *, purge=False):
        self.image(image_id)
        del self._images[image_id]

    def remove_feature(self, kind, image_id):
        if kind not in self._stored(image_id).vectors:
            raise UnknownImageError(f"image {image_id} has no {kind} feature")
        del self._images[image_id].vectors[kind]
        if not self._images[image_id].vectors:
            del self._images[image_id]

    def set_tags(self, image_id, tags):
        stored = self._stored(image_id)
        stored.record = replace(stored.record, tags=tuple(sorted(tags)))

    # --- words: a picture's text is the name of its color

    def _text(self, data):
        pixels, _ = self._decoded(data)
        return ("red", "green", "blue")[int(pixels.mean(axis=(0, 1)).argmax())]

    def annotate_picture(self, name, data, *, picture_name="query"):
        if name == "caption":
            return Annotation(caption=Caption(f"a {self._text(data)} picture", "toy", -1.0))
        return Annotation(lines=(line_of(self._text(data)),))

    def original_tags(self, data, *, picture_name="query"):
        return [self._text(data), "indoor"]

    def add_text(self, image_id, data, *, name=""):
        if image_id in self._texts:
            raise ImageIdTakenError(f"the text of image {image_id} is known already")
        self._texts[image_id] = self._text(data)
        if self._texts[image_id] == "blue":
            return FeatureState.EMPTY, "there is no text in the picture"
        return FeatureState.DONE, ""

    def remove_annotation(self, name, image_id):
        if self._texts.pop(image_id, None) is None:
            raise UnknownImageError(f"nothing is known of image {image_id}")

    def search_words(self, query, *, k=None, threshold=None):
        if (k is None) == (threshold is None):
            raise QueryError("give exactly one of k and a threshold")
        asked = query.text or (self._text(query.data) if query.data else self._texts.get(query.image_id, ""))
        found = [(i, 1.0 if text == asked else 0.25) for i, text in sorted(self._texts.items())]
        hits = [WordHit(i, score, ()) for i, score in sorted(found, key=lambda row: -row[1])]
        return hits[:k] if k is not None else [hit for hit in hits if hit.score >= threshold]

    def words(self, image_id):
        record = self.image(image_id)
        return ImageWords(
            (line_of(self._texts.get(image_id, "none")),),
            tuple(Tag(tag, USER, 1.0) for tag in record.tags),
            self._captions.get(image_id, ()),
            {"text": ("done", "")},
        )

    def set_caption(self, image_id, text):
        self._stored(image_id)
        self._captions[image_id] = (Caption(text, USER, 0.0),) if text else ()

    def check(self, *, deep=True, on_progress=None, stop=None):
        for place in ("records", "files"):
            if on_progress:
                on_progress(place)
        return [Problem("file_missing", "files", "gone: \udcff.jpg", image_id=3, detail={"a": "b"})]

    def rebuild(self, kinds=None, *, features=False, on_progress=None, stop=None):
        for kind in kinds or self.kinds:
            self._spec(kind)
            if on_progress:
                on_progress(kind, 1, 1)

    def clean(self, *, stop=None):
        return [UnusedFeatures("color", "color-v0", 3)]

    def train(self, kind, *, on_progress=None, stop=None):
        """One of "color" takes until it is stopped."""
        self._spec(kind)
        if on_progress:
            on_progress(kind, 1, 1)
        if kind == "color" and stop is not None:
            assert stop.wait(20)
            raise StoreError("stopped before color was made anew; run it again")

    # --- read

    def _stored(self, image_id):
        if image_id not in self._images:
            raise UnknownImageError(f"no image {image_id}")
        return self._images[image_id]

    def image(self, image_id):
        return self._stored(image_id).record

    def images(self, image_ids):
        return {i: self._images[i].record for i in image_ids if i in self._images}

    def _kept(self, filter):
        expression = None if filter is None else parsed(filter)
        return {
            i: stored.record
            for i, stored in self._images.items()
            if expression is None
            or keeps(
                expression, stored.record, ImageWords(tags=tuple(Tag(t, USER, 1) for t in stored.record.tags))
            )
        }

    def count_images(self, *, filter=None):
        return len(self._kept(filter))

    def list_images(self, *, after=-1, limit=100, newest_first=False, filter=None):
        ids = sorted(self._kept(filter), reverse=newest_first)
        ids = [i for i in ids if after < 0 or (i < after if newest_first else i > after)]
        return [self._images[i].record for i in ids[:limit]]

    def image_by_name(self, name):
        for image_id, stored in self._images.items():
            if stored.record.name == name:
                return image_id
        raise UnknownImageError(f"no image is named {name!r}")

    def file_path(self, image_id):
        record = self.image(image_id)
        if record.path is None:
            raise UnknownImageError(f"image {image_id}: only its features are kept, no file")
        return Path(record.path)

    def thumbnail(self, image_id, size):
        pixels, _ = self._decoded(self.file_path(image_id).read_bytes())
        image = Image.fromarray(pixels)
        image.thumbnail((size, size))
        out = io.BytesIO()
        image.save(out, "JPEG")
        return out.getvalue()

    def _spec(self, kind):
        if kind not in self.kinds:
            raise UnknownKindError(f"no kind {kind!r}; have {', '.join(self.kinds)}")
        return self.kinds[kind].spec

    def search_kind(self, kind, query, *, k=None, radius=None, turned=True, filter=None):
        self.gate.wait(20)
        kept = self._kept(filter)
        self._spec(kind)
        if (k is None) == (radius is None):
            raise QueryError("give exactly one of k and radius")
        hits = [hit for hit in self._hits(kind, query, all_orientations=turned) if hit.image_id in kept]
        hits = hits[:k] if k is not None else [hit for hit in hits if hit.distance <= radius]
        return Ranking(kind, tuple(hits))

    def original_knobs(self, kind):
        self._spec(kind)
        return ExtentKnobs

    def search_original(self, kind, query, knobs, *, turned):
        spec = self._spec(kind)
        radius = knobs.distance_threshold
        radius = None if radius is None else float(np.float32(radius / spec.display_scale))
        hits = self.search_kind(kind, query, k=knobs.k, radius=radius, turned=turned).hits
        scaled = [(hit.image_id, hit.distance * spec.display_scale) for hit in hits]
        rows = [(i, round(value) if spec.is_distance_integer else value) for i, value in scaled]
        return OriginalAnswer("distance", tuple(rows), pending=self.pending.get(kind, 0))

    def _hits(self, kind, query, *, all_orientations):
        query = settled(query)
        extractor = self.kinds[kind]
        if query.data is not None or query.region is not None:
            pixels, form = self._decoded(query.data or self._stored(query.image_id).data)
            seen = Picture(pixels, pixels.shape[1], pixels.shape[0], form)
            pixels = pixels if query.region is None else cropped(seen, query.region).rgb
            wanted = ORIENTATIONS if all_orientations and kind == "phash" else ORIENTATIONS[:1]
            variants = [(extractor.vector(turned(pixels, each)), each) for each in wanted]
        elif query.image_id is not None:
            vectors = self._stored(query.image_id).vectors
            if kind not in vectors:
                raise UnknownImageError(f"image {query.image_id} has no {kind} feature")
            variants = [(vectors[kind], ORIENTATIONS[0])]
        else:
            answering({kind: extractor.spec}, query)
        hits = []
        for image_id, stored in list(self._images.items()):
            if kind in stored.vectors:
                rows = [(extractor.distance(v, stored.vectors[kind]), each) for v, each in variants]
                distance, orientation = min(rows)
                hits.append(Hit(image_id, distance, orientation))
        return sorted(hits, key=lambda hit: (hit.distance, hit.image_id))

    def search(
        self,
        query,
        *,
        by=None,
        k=None,
        verdicts=None,
        min_score=0.0,
        exclude_self=False,
        fold=False,
        filter=None,
        cursor=None,
        wait_s=None,
        on_answer=None,
    ):
        kept = self._kept(filter)
        started = time.perf_counter()
        self.gate.wait(20)
        self.asked.append(query)
        found: dict[int, list[Evidence]] = {}
        statuses = []
        query = settled(query)
        asked = {kind: self._spec(kind) for kind in by or self.kinds}
        for kind in answering(asked, query):
            for rank, hit in enumerate(self._hits(kind, query, all_orientations=True), 1):
                if kind == "phash":
                    score = max(0.0, 1 - hit.distance / 288)
                    verdict = Verdict.SAME_PICTURE if hit.distance <= 64 else None
                else:
                    score = max(0.0, 1 - hit.distance / 2)
                    verdict = Verdict.SAME_COLORS if hit.distance < 0.9 else None
                evidence = Evidence(kind, hit.distance, score, rank, verdict, hit.orientation)
                found.setdefault(hit.image_id, []).append(evidence)
            statuses.append(KindStatus(kind, "ok"))
        matches = []
        order = list(Verdict)
        for image_id, evidence in found.items():
            strong = [each for each in evidence if each.verdict]
            if image_id in kept and strong and not (exclude_self and image_id == query.image_id):
                best = min(strong, key=lambda each: order.index(each.verdict))
                matches.append(Match(image_id, best.verdict, best.score, best.orientation, tuple(evidence)))
        matches.sort(key=lambda match: (order.index(match.verdict), -match.score))
        answer = Answer(tuple(matches), tuple(statuses), time.perf_counter() - started)
        wanted = Wanted(k or self.settings.search.k, verdicts or (), min_score)
        digest = digest_of(query, by, verdicts, min_score, fold, filter)
        as_one = partial(folded, contents={}) if fold else tuple
        return page(lambda _depth: answer, wanted, digest, cursor, fold=as_one)

    def info(self):
        kinds = {
            kind: KindInfo(extractor.spec, "exact", len(self._images), {FeatureState.DONE: len(self._images)})
            for kind, extractor in self.kinds.items()
        }
        return LibraryInfo(self.folder, len(self._images), 0, 0, 1234, 7, kinds)

    def jobs(self):
        return [Job(1, "rebuild", "phash", "done", 3, 3, "", "2026-01-01T00:00:00+00:00")]

    def close(self):
        self.is_closed = True


def _picture(seed: int, *, size=(96, 72), form="PNG", turn=0) -> bytes:
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (6, 8, 3)).astype(np.uint8)
    image = Image.fromarray(small).resize(size, Image.Resampling.BICUBIC).rotate(turn, expand=True)
    out = io.BytesIO()
    image.save(out, form)
    return out.getvalue()


@pytest.fixture(scope="session")
def picture():
    """Makes the bytes of a picture of smooth random colors: `picture(seed, form=…, turn=…)`."""
    return _picture


@pytest.fixture
def library(tmp_path):
    return MemoryLibrary(tmp_path)


class Running:
    """A real server in a thread of this process, and clients of it."""

    def __init__(self, library, kind):
        self.server = Server(library, kind=kind, port=0)
        self._thread = threading.Thread(target=self.server.run)
        self._thread.start()
        while not self.server.is_listening:
            time.sleep(0.005)
        self.client = httpx.Client(base_url=self.server.url, timeout=30)

    def stop(self):
        self.client.close()
        self.server.stop()
        self._thread.join(30)
        self.server.close()
        assert not self._thread.is_alive()


@pytest.fixture(scope="session")
def _servers():
    return Running


@pytest.fixture
def serve(_servers):
    """Makes servers of a library, with other settings where given; they stop with the test."""
    running = []

    def make(library, *, kind=None, **settings):
        if settings:
            changed = replace(library.settings.serve, **settings)
            library.settings = replace(library.settings, serve=changed)
        running.append(_servers(library, kind))
        return running[-1]

    yield make
    for each in running:
        each.stop()


@pytest.fixture(scope="session")
def _shared(_servers, tmp_path_factory):
    library = MemoryLibrary(tmp_path_factory.mktemp("shared"))
    running = _servers(library, None)
    yield library, running
    running.stop()


@pytest.fixture
def client(_shared):
    """A client of a server of an empty library with default settings."""
    library, running = _shared
    library.forget_all()
    running.client.cookies.clear()
    return running.client


@pytest.fixture(scope="session")
def memory_library():
    """The class."""
    return MemoryLibrary


@pytest.fixture(scope="session")
def holder():
    """Makes what the lock file says of a server."""
    return lambda server: SimpleNamespace(pid=1, socket=str(server.socket_path), url=server.url)
