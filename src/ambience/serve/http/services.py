"""The generic service of one kind: what the original system has five near-identical programs for.

Distances leave in the unit of the original's endpoints and thresholds come in that unit; both are inclusive.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ambience.datatypes import FeatureSpec, Query, Ranking
from ambience.errors import QueryError
from ambience.serve.http.bodies import Form
from ambience.serve.http.errors import MissingFieldError, shown

if TYPE_CHECKING:
    from ambience.library import Library

LARGEST_K = 2**31 - 1


@dataclass(frozen=True)
class KindService:
    """One kind, as a service.

    Attributes:
        library: what is served.
        spec: of the kind.
    """

    library: "Library"
    spec: FeatureSpec

    @property
    def feature_name(self) -> str:
        """What the original calls this kind's features: `phash_features`, `local_features`."""
        kind = self.spec.kind
        return kind if kind.endswith("_features") else f"{kind}_features"

    def calculate(self, form: Form) -> None:
        """Adds the feature of a picture under a given id.

        Raises:
            ImageError: the bytes are no usable picture.
            ImageIdTakenError: the image has such a feature already, or other bytes.
            QueryError: a field is malformed.
            MissingFieldError: no picture or no id came.
        """
        image_id = form.integer("image_id", least=0)
        if image_id is None:
            raise MissingFieldError("field 'image_id' is missing; send the id of the picture")
        if form.file is None:
            raise MissingFieldError("field 'image' is missing; send the picture as a file")
        self.library.add_feature(self.spec.kind, image_id, form.picture(), name=f"{image_id}.online")

    def delete(self, form: Form) -> None:
        """Forgets the feature of one image, named by `file_name` (which wins) or `image_id`.

        Raises:
            UnknownImageError: no such image, or it has no such feature.
            QueryError: a field is malformed.
            MissingFieldError: neither is given. Nothing is deleted then, least of all id 0.
        """
        name, image_id = form.text("file_name"), form.integer("image_id", least=0)
        if name:
            image_id = self.library.image_by_name(name)
        if image_id is None:
            raise MissingFieldError("neither 'image_id' nor 'file_name' is given; give one")
        self.library.remove_feature(self.spec.kind, image_id)

    def similar_by_id(self, form: Form) -> list[dict[str, Any]]:
        """Images near a stored feature, itself included; the query is not turned.

        Returns:
            Items nearest first.

        Raises:
            UnknownImageError: the image has no such feature.
            QueryError: a field is malformed.
            MissingFieldError: no id came.
        """
        image_id = form.integer("image_id", least=0)
        if image_id is None:
            raise MissingFieldError("field 'image_id' is missing; send the id of a stored picture")
        return self._items(self._ranked(Query(image_id=image_id), form, turned=False))

    def similar_by_picture(self, form: Form) -> list[dict[str, Any]]:
        """Images near a picture, in whichever of the eight orientations.

        Returns:
            Items nearest first.

        Raises:
            ImageError: the bytes are no usable picture.
            QueryError: a field is malformed.
            MissingFieldError: no picture came.
        """
        if form.file is None:
            raise MissingFieldError("field 'image' is missing; send the picture as a file")
        return self._items(self._ranked(Query(data=form.picture()), form, turned=True))

    def similar_by_text(self, form: Form) -> list[dict[str, Any]]:
        """Images near a sentence.

        Returns:
            Items nearest first.

        Raises:
            QueryError: a field is malformed.
            MissingFieldError: no text came.
        """
        text = form.text("text")
        if text is None:
            raise MissingFieldError("field 'text' is missing; send a sentence")
        return self._items(self._ranked(Query(text=text), form, turned=False))

    def _ranked(self, query: Query, form: Form, *, turned: bool) -> Ranking:
        k = form.integer("k", least=1)
        threshold = form.number("distance_threshold", least=0)
        if (k is None) == (threshold is None):
            seen = "neither k nor distance_threshold is" if k is None else "both k and distance_threshold are"
            raise QueryError(f"{seen} given; give exactly one")
        if threshold is None:
            return self.library.search_kind(self.spec.kind, query, k=min(k or 1, LARGEST_K), turned=turned)
        # Stored distances are float32: rounded the same way, a threshold equal to one is inclusive.
        with np.errstate(over="ignore"):
            radius = min(float(np.float32(threshold / self.spec.display_scale)), float(np.finfo("f4").max))
        return self.library.search_kind(self.spec.kind, query, radius=radius, turned=turned)

    def _items(self, ranking: Ranking) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = [
            {"image_id": hit.image_id, "distance": self._displayed(hit.distance)} for hit in ranking.hits
        ]
        if self.library.settings.serve.original_file_names:
            records = self.library.images([hit.image_id for hit in ranking.hits])
            for item in items:
                record = records.get(item["image_id"])
                item["file_name"] = shown(record.name) if record is not None else ""
        return items

    def _displayed(self, distance: float) -> float:
        scaled = distance * self.spec.display_scale
        return round(scaled) if self.spec.is_distance_integer else float(scaled)
