"""Pictures reach services, whatever happens on the way; a service in memory takes them."""

import hashlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ambience.answers import OriginalAnswer, Ranking
from ambience.datatypes import FeatureSpec, FeatureState, ImageDraft
from ambience.errors import CorruptImageError, ImageIdTakenError, ModelError, ServiceError, UnknownImageError
from ambience.maintain.delivery import Delivery
from ambience.services import ServiceInfo
from ambience.store.base import PutImage, RemoveImage
from ambience.store.commit import Store
from support.services import wait_until

SPEC = FeatureSpec("toy", "Toy", 2, "float32", "l2", 1, 1, is_elsewhere=True)


class MemoryService:
    """Keeps what it is given; may be down, slow, or refuse."""

    spec = SPEC

    def __init__(self) -> None:
        self.held: dict[int, bytes] = {}
        self.calls: list[tuple[str, int]] = []
        self.fault: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()

    @property
    def info(self) -> ServiceInfo:
        return ServiceInfo("http://memory", "up" if self.fault is None else "down")

    def by_query(self, *_args: Any, **_named: Any) -> Ranking:
        return Ranking("toy", ())

    def original_answer(self, *_args: Any, **_named: Any) -> OriginalAnswer:
        return OriginalAnswer("distance", ())

    def put(self, image_id: int, data: bytes, *, name: str) -> tuple[FeatureState, str]:
        self.calls.append(("put", image_id))
        self.gate.wait(20)
        if self.fault is not None:
            raise self.fault
        if self.held.setdefault(image_id, data) != data:
            raise ImageIdTakenError(f"image {image_id} has other bytes")
        return FeatureState.DONE, ""

    def remove(self, image_id: int, sha256: bytes) -> None:
        self.calls.append(("remove", image_id))
        if isinstance(self.fault, ServiceError):
            raise self.fault
        if hashlib.sha256(self.held.get(image_id, b"")).digest() == sha256:
            del self.held[image_id]

    def probe(self) -> bool:
        return self.fault is None

    def close(self) -> None:
        """Nothing to let go of."""


class Desk:
    """A store, a service, and what delivers between them."""

    def __init__(self, store: Store) -> None:
        self.store, self.service, self.files = store, MemoryService(), dict[int, bytes]()
        self.delivery = Delivery(store, {"toy": self.service}, self._file, patience_s=0.3, look_every_s=0.02)

    def _file(self, record: Any) -> bytes:
        if record.image_id not in self.files:
            raise UnknownImageError("its file is gone")
        return self.files[record.image_id]

    def add(self, image_id: int, data: bytes, *, replaces: bool = False) -> None:
        self.files[image_id] = data
        self.store.submit(PutImage(draft_of(data), {}, image_id=image_id, replaces=replaces))

    def state(self, image_id: int) -> FeatureState:
        return self.store.records.image(image_id).features["toy"][0]


def draft_of(data: bytes, *, is_upload: bool = True) -> ImageDraft:
    return ImageDraft(hashlib.sha256(data).digest(), len(data), "p", is_upload=is_upload)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Store.open(tmp_path, {"toy": SPEC}, writer=True) as store:
        made = Desk(store)
        yield made
        made.delivery.stop()


def test_an_image_is_given_at_once_and_only_once(desk: Desk) -> None:
    desk.add(1, b"one")
    assert desk.delivery.deliver(1) == {"toy": (FeatureState.DONE, "")}
    assert desk.delivery.deliver(1) == {"toy": (FeatureState.DONE, "")}
    assert desk.service.calls == [("put", 1)]


@pytest.mark.parametrize("fault", [ServiceError("down"), ModelError("no model")])
def test_what_a_service_cannot_take_now_it_gets_later(desk: Desk, fault: Exception) -> None:
    desk.service.fault = fault
    for image_id in range(20):
        desk.add(image_id, b"%d" % image_id)
    assert desk.delivery.deliver(3) == {"toy": (FeatureState.PENDING, str(fault))}
    desk.delivery.start()
    desk.service.fault = None
    wait_until(lambda: len(desk.service.held) == 20)
    wait_until(lambda: {desk.state(each) for each in range(20)} == {FeatureState.DONE})


def test_a_service_that_hangs_holds_an_add_no_longer_than_its_patience(desk: Desk) -> None:
    desk.service.gate.clear()
    desk.add(1, b"one")
    began = time.monotonic()
    state, why = desk.delivery.deliver(1)["toy"]
    assert (state, time.monotonic() - began < 5) == (FeatureState.PENDING, True)
    assert "it goes on" in why
    desk.service.gate.set()
    wait_until(lambda: desk.state(1) is FeatureState.DONE)


def test_a_picture_that_is_refused_is_noted_and_not_tried_for_ever(desk: Desk) -> None:
    desk.service.fault = CorruptImageError("torn")
    desk.add(1, b"one")
    assert desk.delivery.deliver(1) == {"toy": (FeatureState.FAILED, "torn")}
    assert desk.store.records.image(1).features["toy"] == (FeatureState.FAILED, "torn")


def test_a_file_that_is_away_or_was_changed_waits(desk: Desk) -> None:
    desk.add(1, b"one")
    desk.add(2, b"two")
    del desk.files[1]
    desk.files[2] = b"other"
    assert desk.delivery.deliver(1)["toy"][0] is FeatureState.PENDING
    assert desk.delivery.deliver(2)["toy"] == (FeatureState.PENDING, "its file has changed; add it again")
    assert desk.service.calls == []


def test_what_was_replaced_is_forgotten_before_the_new_is_given(desk: Desk) -> None:
    desk.add(1, b"one")
    desk.delivery.deliver(1)
    desk.service.calls.clear()
    desk.add(1, b"two", replaces=True)
    desk.delivery.deliver(1)
    assert desk.service.calls == [("remove", 1), ("put", 1)]
    assert desk.service.held == {1: b"two"}


def test_what_came_back_while_it_was_to_be_forgotten_is_given_again(desk: Desk) -> None:
    desk.add(1, b"one")
    desk.delivery.deliver(1)
    desk.store.submit(RemoveImage(1))
    desk.add(1, b"one")
    desk.delivery.start()
    wait_until(lambda: desk.state(1) is FeatureState.DONE)
    assert desk.service.held == {1: b"one"}


def test_an_image_that_is_removed_while_it_is_given_is_forgotten_afterwards(desk: Desk) -> None:
    desk.service.gate.clear()
    desk.add(1, b"one")
    desk.delivery.deliver(1)
    desk.store.submit(RemoveImage(1))
    desk.service.gate.set()
    desk.delivery.start()
    wait_until(lambda: desk.service.calls[-1] == ("remove", 1))
    wait_until(lambda: desk.service.held == {})
    assert desk.store.records.images([1]) == {}


def test_bytes_of_features_alone_are_kept_until_they_are_given(desk: Desk, tmp_path: Path) -> None:
    desk.service.fault = ServiceError("down")
    draft = draft_of(b"one", is_upload=False)
    assert desk.delivery.add("toy", 5, b"one", draft) == (FeatureState.PENDING, "down")
    kept = tmp_path / "outbox" / "5"
    assert kept.read_bytes() == b"one"
    with pytest.raises(ImageIdTakenError):
        desk.delivery.add("toy", 5, b"two", draft_of(b"two", is_upload=False))
    assert kept.read_bytes() == b"one", "what is on its way is not lost to who comes second"
    desk.service.fault = None
    desk.delivery.start()
    wait_until(lambda: not kept.exists())
    assert (desk.service.held, desk.state(5)) == ({5: b"one"}, FeatureState.DONE)


def test_a_service_that_refuses_leaves_nothing_behind(desk: Desk, tmp_path: Path) -> None:
    desk.service.held[5] = b"of another"
    with pytest.raises(ImageIdTakenError, match="other bytes"):
        desk.delivery.add("toy", 5, b"one", draft_of(b"one", is_upload=False))
    assert desk.store.records.images([5]) == {}
    assert not (tmp_path / "outbox" / "5").exists()
    desk.delivery.start()
    wait_until(lambda: ("remove", 5) in desk.service.calls)
    assert desk.service.held == {5: b"of another"}


def test_who_adds_hears_of_a_refusal_though_the_background_would_be_quicker(desk: Desk) -> None:
    desk.service.held[5] = b"of another"
    given_early: list[bool] = []

    def let_it_be_quicker() -> None:
        deadline = time.monotonic() + 0.5  # the background looks every 0.02 s
        while not desk.service.calls and time.monotonic() < deadline:
            time.sleep(0.01)
        given_early.append(bool(desk.service.calls))

    desk.delivery.start()
    desk.store.on_commit.append(let_it_be_quicker)
    with pytest.raises(ImageIdTakenError, match="other bytes"):
        desk.delivery.add("toy", 5, b"one", draft_of(b"one", is_upload=False))
    assert not given_early[0]
    assert desk.store.records.images([5]) == {}


def test_a_service_gets_everything_again_where_it_lost_it(desk: Desk) -> None:
    for image_id in range(3):
        desk.add(image_id, b"%d" % image_id)
        desk.delivery.deliver(image_id)
    desk.service.held.clear()
    desk.delivery.queue_again("toy")
    desk.delivery.start()
    wait_until(lambda: len(desk.service.held) == 3)
    assert sorted(desk.service.held) == [0, 1, 2]


def test_bytes_that_nobody_waits_for_are_deleted_at_the_start(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "outbox").mkdir()
    (tmp_path / "outbox" / "77").write_bytes(b"left over")
    desk.delivery.start()
    assert not (tmp_path / "outbox" / "77").exists()
