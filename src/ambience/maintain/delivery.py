"""Pictures on their way to kinds that other processes serve: given at once where that goes, else later.

The records say what each service has yet to get and to forget, so that neither a service that is down nor a
killed gateway loses anything. One thread a kind catches up, and asks its service now and then how it fares.
"""

import contextlib
import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial

from ambience.datatypes import FeatureState, ImageDraft, ImageRecord, ImageState
from ambience.errors import (
    AmbienceError,
    BusyError,
    ImageError,
    ImageIdTakenError,
    ModelError,
    ServiceError,
    UnknownImageError,
)
from ambience.maintain.jobs import Jobs, Progress
from ambience.search.base import KindElsewhere
from ambience.store.base import REMOVED, FeatureDraft, PutFeatures, RemoveFeature
from ambience.store.commit import Store
from ambience.store.elsewhere import Elsewhere, Removal
from ambience.store.outbox import Outbox

LOOK_EVERY_S = 1.0
"""How often a service that is down is asked whether it is back; its breaker may say not yet."""

PROBE_EVERY_S = 10.0
"""How often a service that is up and has nothing to do is asked how it fares."""

RETRY_EVERY_S = 30.0
"""Pictures that cannot be read at present are tried again after so long, or once something was committed."""

AT_ONCE = 4
"""Pictures on their way to one service in the background."""

PAGE = 64

LOCKS = 256

_log = logging.getLogger(__name__)

Outcome = tuple[FeatureState, str]
"""How far an image is with a kind, and why it is not done."""


class Delivery:
    """Gives pictures to services and has them forget what was removed; threads may share it.

    Args:
        store: open for writing.
        services: by kind.
        originals: reads the file behind an image.
        patience_s: an add waits no longer for services; they get the picture all the same.
        look_every_s: see `LOOK_EVERY_S`.
    """

    def __init__(
        self,
        store: Store,
        services: Mapping[str, KindElsewhere],
        originals: Callable[[ImageRecord], bytes],
        *,
        patience_s: float = 10.0,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        self._patience_s = patience_s
        # A pool each, so that a service that hangs takes no threads from the others.
        self._pools = {
            kind: ThreadPoolExecutor(AT_ONCE, thread_name_prefix=f"ambience-delivery-{kind}")
            for kind in services
        }
        self._store, self._services, self._originals = store, services, originals
        self._elsewhere, self._outbox = Elsewhere(store.records), Outbox(store.folder)
        self._look_every_s = look_every_s
        self._locks = [threading.Lock() for _ in range(LOCKS)]
        self._stop = threading.Event()
        self._wakes = {kind: threading.Event() for kind in services}
        self._jobs = Jobs(store.records, self._stop)
        self._left: dict[str, tuple[int, int]] = {}
        self._again_at: dict[str, float] = {}
        self._threads = [
            threading.Thread(target=self._run, args=(kind,), name=f"ambience-delivery-{kind}", daemon=True)
            for kind in services
        ]

    def start(self) -> None:
        """Begins, with whatever an earlier process left undone."""
        if self._services:
            for image_id in self._outbox.held():
                self._settle(image_id)
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Looks at once at what there is to do."""
        for event in self._wakes.values():
            event.set()

    def stop(self, timeout_s: float = 30) -> None:
        """Ends after the pictures in hand; what is left is done by the next process."""
        self._stop.set()
        self.wake()
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)

    def add(self, kind: str, image_id: int, data: bytes, draft: ImageDraft) -> Outcome:
        """Takes a picture of which only the feature of one kind is kept, and gives it to the kind's service.

        Args:
            kind: of `services`.
            image_id: given by the caller.
            data: bytes of the picture, kept until the service has them.
            draft: made of them, without a path.

        Returns:
            Done or empty; or pending with the reason, where the service cannot be used now: it gets the
            picture later, whatever happens to this process.

        Raises:
            ImageIdTakenError: the feature exists already, or is on its way; or the id belongs to other bytes,
                here or at the service.
            AmbienceError: the service refuses the picture; nothing is kept.
        """
        service = self._services[kind]
        pending = FeatureDraft(service.spec.fingerprint, FeatureState.PENDING)
        with self._lock(kind, image_id):  # else the background may give it first, and hear what we must say
            self._take(image_id, data, PutFeatures(image_id, {kind: pending}, draft=draft))
            try:
                outcome = self._give_held(kind, image_id)
            except (ServiceError, BusyError, ModelError) as exc:
                return FeatureState.PENDING, str(exc)
            except AmbienceError:
                with contextlib.suppress(UnknownImageError):
                    self._store.submit(RemoveFeature(image_id, kind))
                self._settle(image_id)
                raise
        self._settle(image_id)
        return outcome

    def deliver(self, image_id: int) -> dict[str, Outcome]:
        """Gives an image to every service that has yet to get it, all at the same time.

        Returns:
            By kind, how it went; never an error, since what did not go is done later.
        """
        futures = {kind: self._pools[kind].submit(self._given, kind, image_id) for kind in self._services}
        wait(futures.values(), timeout=self._patience_s)
        late = FeatureState.PENDING, f"its service has not answered within {self._patience_s:g} s; it goes on"
        return {kind: future.result() if future.done() else late for kind, future in futures.items()}

    def queue_again(self, kind: str) -> None:
        """Has a service get every image once more, since it lost what it had, or is another one by now."""
        spec = self._services[kind].spec
        pending = FeatureDraft(spec.fingerprint, FeatureState.PENDING)
        after = -1
        while records := self._store.records.list_images(after=after, limit=1000):
            after = records[-1].image_id
            again = [
                PutFeatures(record.image_id, {kind: pending}, renews=True, sha256=record.sha256)
                for record in records
                if record.state is not ImageState.FEATURES_ONLY
                and record.features.get(kind, (FeatureState.PENDING, ""))[1] != REMOVED
            ]
            self._store.commit(again)
        self.wake()

    # --- the threads -----------------------------------------------------------------------------------

    def _run(self, kind: str) -> None:
        service, wake = self._services[kind], self._wakes[kind]
        probed_at = float("-inf")
        while not self._stop.is_set():
            wake.clear()
            try:
                is_due = time.monotonic() - probed_at >= PROBE_EVERY_S
                if service.info.state == "up" and not is_due:
                    self._catch_up(kind)
                elif service.probe():
                    probed_at = time.monotonic()
                    self._catch_up(kind)
            except (ServiceError, BusyError, ModelError) as exc:
                _log.info("%s: %s", kind, exc)
            except AmbienceError as exc:
                _log.warning("pictures for %s: %s", kind, exc)
            except Exception:  # noqa: BLE001 - a fault with one picture must not end the thread
                _log.exception("pictures for %s", kind)
            wake.wait(self._look_every_s)

    def _catch_up(self, kind: str) -> None:
        """Has a service forget, then get, what there is to.

        Raises:
            ServiceError: the service cannot be used.
        """
        while removals := self._elsewhere.removals(kind, limit=PAGE):
            for removal in removals:
                if self._stop.is_set():
                    return
                with self._lock(kind, removal.image_id):
                    self._forget(kind, removal)
        spec = self._services[kind].spec
        total, seq = self._elsewhere.pending_count(spec), self._store.records.last_seq()
        is_known = self._left.get(kind) == (total, seq) and time.monotonic() < self._again_at[kind]
        if not total or is_known:
            return
        self._give_all(kind, total)
        self._left[kind] = self._elsewhere.pending_count(spec), self._store.records.last_seq()
        self._again_at[kind] = time.monotonic() + RETRY_EVERY_S

    def _give_all(self, kind: str, total: int) -> None:
        """One pass over the images that a service has yet to get; people are told of a long one."""
        spec, done, after = self._services[kind].spec, 0, -1
        with contextlib.ExitStack() as opened:
            pool = opened.enter_context(ThreadPoolExecutor(AT_ONCE))
            tell: Progress = lambda *_: None  # noqa: E731
            if total > AT_ONCE:
                tell = opened.enter_context(self._jobs.job("deliver", kind, total=total))
            while ids := self._elsewhere.pending(spec, after=after, limit=PAGE):
                for outcome in pool.map(partial(self._tried, kind), ids):
                    if isinstance(outcome, AmbienceError):
                        raise outcome
                if self._stop.is_set():
                    return
                after, done = ids[-1], done + len(ids)
                tell(done, max(done, total))

    def _tried(self, kind: str, image_id: int) -> AmbienceError | None:
        """Gives one image in the background; an error that others would meet as well."""
        if self._stop.is_set():
            return None
        try:
            self._give(kind, image_id)
        except (ServiceError, BusyError, ModelError) as exc:
            return exc
        except AmbienceError as exc:
            _log.warning("image %d and %s: %s", image_id, kind, exc)
        return None

    def _given(self, kind: str, image_id: int) -> Outcome:
        try:
            return self._give(kind, image_id)
        except (ServiceError, BusyError, ModelError) as exc:
            return FeatureState.PENDING, str(exc)
        except AmbienceError as exc:
            return FeatureState.FAILED, str(exc)

    # --- one image -------------------------------------------------------------------------------------

    def _take(self, image_id: int, data: bytes, write: PutFeatures) -> None:
        """Keeps the bytes for as long as a service waits for them, and notes that it does."""
        assert write.draft is not None
        with self._outbox.holding(image_id):
            known = self._store.records.images([image_id]).get(image_id)
            if known is None or (
                known.state is ImageState.FEATURES_ONLY and known.sha256 == write.draft.sha256
            ):
                self._outbox.put(image_id, data)
            try:
                self._store.submit(write)
            except BaseException:
                self._discard_if_done(image_id)
                raise

    def _give(self, kind: str, image_id: int) -> Outcome:
        """Gives one image to a service, unless it has it, and notes what became of it.

        Raises:
            ServiceError: the service cannot be used; nothing is changed.
            AmbienceError: it refuses the picture, which is noted where that will not change.
        """
        with self._lock(kind, image_id):
            outcome = self._give_held(kind, image_id)
        self._settle(image_id)
        return outcome

    def _give_held(self, kind: str, image_id: int) -> Outcome:
        """The same, while its lock is held."""
        for removal in self._elsewhere.removals(kind, image_id=image_id):
            self._forget(kind, removal)
        record = self._store.records.images([image_id]).get(image_id)
        if record is None:
            return FeatureState.FAILED, "removed meanwhile"
        state, reason = record.features.get(kind, (FeatureState.PENDING, ""))
        if state is not FeatureState.PENDING:
            return state, reason
        try:
            data = self._bytes(record)
        except (UnknownImageError, ImageError) as exc:
            return FeatureState.PENDING, str(exc)
        if hashlib.sha256(data).digest() != record.sha256:
            return FeatureState.PENDING, "its file has changed; add it again"
        try:
            state, reason = self._services[kind].put(image_id, data, name=record.name)
        except (ServiceError, BusyError, ModelError):
            raise
        except AmbienceError as exc:
            self._note(record, kind, FeatureState.FAILED, str(exc))
            raise
        self._note(record, kind, state, reason)
        return state, reason

    def _forget(self, kind: str, removal: Removal) -> None:
        """Has a service forget an image; one that came back meanwhile is given again afterwards."""
        record = self._store.records.images([removal.image_id]).get(removal.image_id)
        if record is not None and record.sha256 == removal.sha256:
            state, reason = record.features.get(kind, (FeatureState.PENDING, ""))
            if state is not FeatureState.PENDING and reason != REMOVED:
                self._note(record, kind, FeatureState.PENDING, "")
        self._services[kind].remove(removal.image_id, removal.sha256)
        self._elsewhere.note_forgotten(kind, removal)

    def _note(self, record: ImageRecord, kind: str, state: FeatureState, reason: str) -> None:
        made = FeatureDraft(self._services[kind].spec.fingerprint, state, reason=reason)
        # An image that was removed, or has other bytes by now, is no longer the one that was given.
        with contextlib.suppress(UnknownImageError, ImageIdTakenError):
            self._store.submit(PutFeatures(record.image_id, {kind: made}, renews=True, sha256=record.sha256))

    def _bytes(self, record: ImageRecord) -> bytes:
        if record.state is ImageState.FEATURES_ONLY:
            data = self._outbox.read(record.image_id)
            if data is None:
                raise UnknownImageError(f"image {record.image_id}: its bytes are not kept any more")
            return data
        return self._originals(record)

    def _settle(self, image_id: int) -> None:
        with self._outbox.holding(image_id):
            self._discard_if_done(image_id)

    def _discard_if_done(self, image_id: int) -> None:
        """Deletes bytes that no service is waiting for; the image is held."""
        record = self._store.records.images([image_id]).get(image_id)
        states = () if record is None else _states(record, self._services)
        if record is None or record.state is not ImageState.FEATURES_ONLY or _PENDING not in states:
            self._outbox.discard(image_id)

    def _lock(self, kind: str, image_id: int) -> threading.Lock:
        return self._locks[hash((kind, image_id)) % LOCKS]


_PENDING = FeatureState.PENDING


def _states(record: ImageRecord, kinds: Iterable[str]) -> Sequence[FeatureState]:
    return [record.features[kind][0] for kind in kinds if kind in record.features]
