"""The change of a kind's model: whether it may be, how it is begun, and how far it is.

The work itself is `Maintenance`'s, which goes on with it in whatever process opens the library for writing.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ambience.datatypes import FeatureState
from ambience.errors import ModelError, SettingsError, StoreError
from ambience.extract.base import Extractor
from ambience.inventory import ComingModel, ModelUse
from ambience.maintain import Maintenance
from ambience.models.catalog import CATALOG, ModelRow, model_row
from ambience.models.folder import ModelFolder
from ambience.spaces import Spaces
from ambience.store.carrying import left_behind
from ambience.store.commit import Store

LOOK_EVERY_S = 0.1

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class ModelChanges:
    """Changes the models of one library's kinds; threads may share it.

    Attributes:
        store: of the library.
        spaces: what is searched, and what is coming.
        maintenance: fills what is coming, and switches.
        fixed: by kind, the model that settings name, and the library cannot change.
        folder: of the models' files.
    """

    store: Store
    spaces: Spaces
    maintenance: Maintenance
    fixed: Callable[[str], str]
    folder: ModelFolder

    def coming(self, kind: str) -> ComingModel | None:
        """How far the model is that is coming for a kind.

        Returns:
            None where none is coming.
        """
        space = self.spaces.coming.get(kind)
        if space is None:
            return None
        records, spec = self.store.records, space.spec
        return ComingModel(
            spec.model,
            done=records.counts({kind: spec})[kind][FeatureState.DONE],
            pending=records.pending_count(spec.fingerprint),
            left_behind=left_behind(records, spec),
        )

    def use(self, model: str, kind: str, *, on_progress: Progress | None, stop: threading.Event) -> ModelUse:
        """Has a kind use a model, and waits until it does.

        Args:
            model: name of its row.
            kind: "" takes the kind that the model is made for.
            on_progress: told (kind, images done, images in all).
            stop: ends the waiting; the change goes on, here or wherever the library is written next.

        Returns:
            Whether the model is used by now, and what it leaves behind.

        Raises:
            MissingModelError: the model's files are not on this machine.
            ModelError: there is no such model, it fits no kind or not this one, or it fits several.
            SettingsError: settings name the model of this kind, and win.
            StoreError: the change came to nothing: another model was chosen meanwhile, or features cannot be
                made at present.
            UnknownKindError: no such kind is switched on.
        """
        row = model_row(model)
        kind = self._kind_for(row, kind)
        if fixed := self.fixed(kind):
            raise SettingsError(
                f"kinds.{kind}.model = {fixed!r} is set (in the TOML file, the environment or by --set) and "
                f"wins over what a library chooses; take it out to let the library use {model}"
            )
        self._require_files(row)
        before = self.spaces.in_use(kind).spec.model
        last_job = max((job.job_id for job in self.store.records.jobs(limit=1)), default=0)
        self.spaces.use(kind, model)
        self.maintenance.wake()
        self._wait(model, kind, last_job, on_progress or (lambda *_: None), stop)
        return self._outcome(model, kind, before)

    def _outcome(self, model: str, kind: str, before: str) -> ModelUse:
        space, coming = self.spaces.in_use(kind), self.coming(kind)
        behind = coming.left_behind if coming else left_behind(self.store.records, space.spec)
        pending = self.store.records.pending_count(
            self.spaces.coming[kind].spec.fingerprint if coming else space.spec.fingerprint
        )
        return ModelUse(kind, model, before, space.spec.model == model, behind, pending)

    def _wait(self, model: str, kind: str, last_job: int, tell: Progress, stop: threading.Event) -> None:
        total = 0
        while self.spaces.in_use(kind).spec.model != model and not stop.is_set():
            coming = self.spaces.coming.get(kind)
            if coming is None or coming.spec.model != model:
                if self.spaces.in_use(kind).spec.model == model:
                    return  # switched between the two looks
                raise StoreError(f"{kind} is not to use {model} any more: another model was chosen meanwhile")
            pending = self.store.records.pending_count(coming.spec.fingerprint)
            total = max(total, pending)
            tell(kind, total - pending, total)
            self._raise_failure(f"{kind} ({model})", last_job)
            time.sleep(LOOK_EVERY_S)
        tell(kind, total, total)

    def _raise_failure(self, subject: str, last_job: int) -> None:
        for job in self.store.records.jobs(limit=5):
            if job.job_id > last_job and job.subject == subject and job.state == "failed":
                raise StoreError(
                    f"{subject}: {job.message}. What is made so far is kept; it is tried again now and then, "
                    "and at once by the same command"
                )

    def _kind_for(self, row: ModelRow, kind: str) -> str:
        """The kind that a model is for."""
        takes = {name: tasks_of(space.extractor) for name, space in self.spaces.view.spaces.items()}
        takes = {name: tasks for name, tasks in takes.items() if tasks}
        if kind:
            self.spaces.in_use(kind)  # refuses one that there is not
            if kind not in takes:
                have = ", ".join(takes) or "no such kind"
                raise ModelError(f"{kind} has no model that can be chosen; have {have}")
            takes = {kind: takes[kind]}
        fits = [name for name, tasks in takes.items() if row.task in tasks]
        if not fits:
            chosen = "; ".join(f"{name} takes {_fitting(tasks)}" for name, tasks in takes.items())
            raise ModelError(f"the model {row.name} does not fit: {chosen or 'no kind here takes any'}")
        made_for = [name for name in fits if takes[name][0] == row.task] or fits
        if len(made_for) > 1:
            raise ModelError(f"the model {row.name} fits {' and '.join(made_for)}; name one by --kind")
        return made_for[0]

    def _require_files(self, row: ModelRow) -> None:
        for name in (row.name, *row.parts):
            self.folder.files(model_row(name))


def tasks_of(extractor: Extractor) -> tuple[str, ...]:
    """What the models of a kind are for, that which the kind is made for first; () where it takes none."""
    tasks: tuple[str, ...] = getattr(extractor, "model_tasks", ())
    return tasks


def _fitting(tasks: Sequence[str]) -> str:
    return ", ".join(name for name, row in CATALOG.items() if row.task in tasks)
