"""Takes over a collection of the original system: its ids, its names, and its features where no picture is.

Nothing is remembered between runs but the library itself: a run looks at each image, and passes over what is
here already. So one that was killed is gone on with by the same command.
"""

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np

from ambience.datatypes import Feature, FeatureSpec, FeatureState, ImageDraft, ImageRecord
from ambience.decode.image import Decoder
from ambience.errors import AmbienceError, ImageIdTakenError, StoreError, StoreFullError
from ambience.ingest import Ingest
from ambience.moving.import_report import ImportReport, Refusals
from ambience.moving.original_database import OriginalDatabase
from ambience.moving.original_features import imported_spec, is_comparable
from ambience.moving.original_folders import OriginalFolders, OriginalService, find_services
from ambience.moving.original_names import PictureFolder, Wanted, wanted_images
from ambience.moving.original_source import OriginalSource, union_of
from ambience.store.base import FeatureDraft, PutFeatures, PutImage
from ambience.store.commit import Store

CHUNK: Final = 512
"""Images that are in memory at once, and of one commit."""

TAKEN = (
    "the id is another image's in this library; import into a library of its own (--library), or remove that "
    "image first"
)
OTHER_FEATURE = "the image has another such feature in this library; remove the image first"
UNREADABLE = "the picture cannot be used; features of the original are kept in its place"
PATH_TAKEN = "its picture is in this library under another id; remove that image first"

Kept = tuple[Wanted, dict[str, FeatureDraft]]
"""An image, and by kind its features that are to be kept."""

OnProgress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class OriginalChoice:
    """What of the original is taken over, and how.

    Attributes:
        folder: that holds the folders of its services.
        services: by kind, the folder of a service, in place of what would be found.
        pictures: folder of the pictures; None where there is none.
        ids_from_names: the number that a name begins with is the id.
        is_dry_run: look at everything, and write nothing.
    """

    folder: Path
    services: Mapping[str, Path] = field(default_factory=dict)
    pictures: Path | None = None
    ids_from_names: bool = False
    is_dry_run: bool = False


class OriginalImport:
    """One import; made, run once, thrown away.

    Args:
        store: open for writing.
        decoder: of the library.
        ingest: makes features of pictures.
        specs: of the kinds as they are made here.
        threads: that decode and extract.
    """

    def __init__(
        self, store: Store, decoder: Decoder, ingest: Ingest, specs: Mapping[str, FeatureSpec], threads: int
    ) -> None:
        self._store, self._decoder, self._ingest = store, decoder, ingest
        self._specs, self._threads = specs, threads
        self._refusals = Refusals()
        self._notes: list[str] = []
        self._features: dict[str, int] = {}
        self._pictures = self._known = 0

    def run(
        self, choice: OriginalChoice, *, on_progress: OnProgress | None = None, stop: threading.Event
    ) -> ImportReport:
        """Takes over all that can be.

        Args:
            choice: what.
            on_progress: called with what is done, how much of it, and how much there is.
            stop: set to end after the images in hand; what is done stays.

        Returns:
            What was taken over, and what was not and why.

        Raises:
            StoreError: the folder holds nothing of the original; its data is damaged.
            StoreFullError: the disk is full; what was taken over before stays.
        """
        began = time.monotonic()
        found = find_services(choice.folder, choice.services)
        pictures = None if choice.pictures is None else PictureFolder(choice.pictures)
        with ExitStack() as opened:
            sources = [
                opened.enter_context(
                    OriginalSource(
                        service, spec, ids_from_names=choice.ids_from_names, refusals=self._refusals
                    )
                )
                for service, spec in self._usable(found)
            ]
            self._features = {source.kind: 0 for source in sources}
            ids = union_of(sources)
            done = 0
            with ThreadPoolExecutor(self._threads, thread_name_prefix="import") as pool:
                for start in range(0, len(ids), CHUNK):
                    if stop.is_set():
                        break
                    chunk = ids[start : start + CHUNK].tolist()
                    wanted = wanted_images(chunk, sources, pictures=pictures, refusals=self._refusals)
                    self._take(wanted, sources, pool, is_dry_run=choice.is_dry_run)
                    done += len(chunk)
                    if on_progress is not None:
                        on_progress("images", done, len(ids))
        return ImportReport(
            images=done,
            pictures=self._pictures,
            features=self._features,
            known=self._known,
            refused=self._refusals.listed(),
            notes=tuple(self._notes),
            is_dry_run=choice.is_dry_run,
            is_whole=not stop.is_set(),
            took_s=time.monotonic() - began,
        )

    # --- which kinds -----------------------------------------------------------------------------------

    def _usable(self, found: OriginalFolders) -> Iterator[tuple[OriginalService, FeatureSpec]]:
        """Services whose features can be kept, and in which space; of the others it is noted why not."""
        for kind, service in found.services.items():
            spec = self._specs.get(kind)
            kept = None if spec is None else imported_spec(spec)
            if spec is None or kept is None:
                self._notes.append(f"{kind}: not taken over, since the kind is switched off")
            elif spec.is_elsewhere:
                self._notes.append(
                    f"{kind}: not taken over, since another process serves the kind (kinds.{kind}.url); "
                    "import it there"
                )
            elif service.is_whitened:
                self._notes.append(
                    f"{kind}: not taken over: a whitening lies beside it, and features that were added over "
                    "HTTP since went through that, while others did not; only pictures can give them anew"
                )
            else:
                if not is_comparable(spec):
                    self._notes.append(
                        f"{kind}: kept and not searched, since {kept.model} made them and {spec.model} is in "
                        f"use; `ambience models install {kept.model}`, then `ambience models use "
                        f"{kept.model}`, has them searched"
                    )
                yield service, kept
        for path in found.points:
            with OriginalDatabase(path) as database:
                self._notes.append(
                    f"local_features: {database.count():,} entries of {path} not taken over: which image a "
                    "point is of was kept in PostgreSQL alone; only pictures can give them anew"
                )

    # --- images ----------------------------------------------------------------------------------------

    def _take(
        self,
        wanted: Sequence[Wanted],
        sources: Sequence[OriginalSource],
        pool: ThreadPoolExecutor,
        *,
        is_dry_run: bool,
    ) -> None:
        records = self._store.records.images([each.image_id for each in wanted])
        fresh = [each for each in wanted if self._is_free(each, records.get(each.image_id))]
        with_picture = [each for each in fresh if each.picture is not None]
        if is_dry_run:
            self._pictures += len(with_picture)
        else:
            pictured = dict(zip(with_picture, pool.map(self._extracted, with_picture), strict=True))
            self._commit_pictures(pictured, records)
            with_picture = [each for each, write in pictured.items() if write is not None]
        done = set(with_picture)
        kept = self._kept([each for each in fresh if each not in done], sources, records)
        if not is_dry_run:
            kept = self._committed(kept)
        for _, features in kept:
            for kind in features:
                self._features[kind] += 1

    def _is_free(self, wanted: Wanted, record: ImageRecord | None) -> bool:
        """Whether something is to be done under an id: it is free, or an image of an earlier run."""
        if record is None or record.sha256 == _sha256(wanted):
            return True
        is_same_file = wanted.picture is not None and record.path == str(wanted.picture)
        if is_same_file or (record.path is not None and record.name == wanted.name):
            self._known += 1  # its picture was found by an earlier run
        else:
            self._refusals.add("images", TAKEN, f"id {wanted.image_id}")
        return False

    def _extracted(self, wanted: Wanted) -> PutImage | None:
        """An image with all its features made anew; None where its picture cannot be used."""
        assert wanted.picture is not None
        path = str(wanted.picture)
        try:
            status = os.stat(path)  # noqa: PTH116 - as the bytes are read, before them
            data = self._decoder.read(wanted.picture)
            picture = self._decoder.decode(data, name=path)
            draft, features = self._ingest.extract(data, picture, name=wanted.picture.name)
        except StoreFullError:
            raise
        except (AmbienceError, OSError):
            return None
        draft = replace(draft, path=path, mtime_ns=status.st_mtime_ns)
        return PutImage(draft, features, image_id=wanted.image_id, is_current=True)

    def _commit_pictures(
        self, pictured: dict[Wanted, PutImage | None], records: Mapping[int, ImageRecord]
    ) -> None:
        writes: list[PutImage] = []
        for wanted, write in pictured.items():
            if write is None:
                self._refusals.add("pictures", UNREADABLE, str(wanted.picture))
            else:  # one that an earlier run kept the original's features of has its picture by now
                writes.append(replace(write, replaces=wanted.image_id in records))
        for made, outcome in zip(writes, self._store.commit(writes), strict=True):
            if isinstance(outcome, StoreError):
                reason = PATH_TAKEN if isinstance(outcome, ImageIdTakenError) else str(outcome)
                self._refusals.add("images", reason, f"id {made.image_id}")
            else:
                self._pictures += 1

    # --- features --------------------------------------------------------------------------------------

    def _kept(
        self,
        wanted: Sequence[Wanted],
        sources: Sequence[OriginalSource],
        records: Mapping[int, ImageRecord],
    ) -> list[Kept]:
        """Features of the original that are not here yet, by image."""
        kept: list[dict[str, FeatureDraft]] = [{} for _ in wanted]
        is_refused = [False] * len(wanted)
        for source in sources:
            places = [place for place, has in enumerate(source.has([w.image_id for w in wanted])) if has]
            mine = [wanted[place].image_id for place in places]
            here = self._here(source.spec, [each for each in mine if each in records])
            for place, feature in zip(places, source.features(mine), strict=True):
                image_id = wanted[place].image_id
                if isinstance(feature, str):
                    self._refusals.add(source.kind, feature, f"id {image_id}")
                    is_refused[place] = True
                elif image_id not in here:
                    made = FeatureDraft(source.spec.fingerprint, FeatureState.DONE, feature)
                    kept[place][source.kind] = made
                elif not np.array_equal(here[image_id].vector, feature.vector):
                    self._refusals.add(source.kind, OTHER_FEATURE, f"id {image_id}")
                    is_refused[place] = True
        pairs = list(zip(wanted, kept, strict=True))
        self._known += sum(
            not features and not refused for (_, features), refused in zip(pairs, is_refused, strict=True)
        )
        return [(each, features) for each, features in pairs if features]

    def _here(self, spec: FeatureSpec, image_ids: Sequence[int]) -> dict[int, Feature]:
        """Features of the original that earlier runs kept."""
        feature_ids = self._store.records.feature_ids(spec.fingerprint, image_ids)
        there = feature_ids >= 0
        vectors, _ = self._store.features.get(spec, feature_ids[there])
        owners = np.asarray(image_ids, np.int64)[there].tolist()
        return {owner: Feature(vector) for owner, vector in zip(owners, vectors, strict=True)}

    def _committed(self, kept: Sequence[Kept]) -> list[Kept]:
        """Those that were written."""
        writes = [
            PutFeatures(wanted.image_id, features, draft=ImageDraft(_sha256(wanted), 0, wanted.name))
            for wanted, features in kept
        ]
        written = []
        for each, outcome in zip(kept, self._store.commit(writes), strict=True):
            if isinstance(outcome, StoreError):
                self._refusals.add("images", str(outcome), f"id {each[0].image_id}")
            else:
                written.append(each)
        return written


def _sha256(wanted: Wanted) -> bytes:
    """What stands in for the sha256 of bytes that nobody has: no file has it, every run gives the same."""
    return hashlib.sha256(f"ambience import\0{wanted.image_id}\0{wanted.name}".encode()).digest()
