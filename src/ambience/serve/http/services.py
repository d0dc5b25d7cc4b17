"""The generic service of one kind: what the original system has five near-identical programs for.

Its knobs are those that the kind's read path declares (`search/original_figures.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args, get_type_hints

from ambience.answers import OriginalAnswer, Query
from ambience.datatypes import FeatureSpec, FeatureState
from ambience.search.combination import LONGEST_TEXT
from ambience.serve.http.bodies import Form
from ambience.serve.http.errors import MissingFieldError, shown, told

if TYPE_CHECKING:
    from ambience.library import Library


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

    def calculate(self, form: Form) -> dict[str, str] | None:
        """Adds the feature of a picture under a given id.

        Returns:
            None; or why there is nothing to describe, which is remembered like a feature; or why the feature
            is made later, where another process makes it.

        Raises:
            ImageError: the bytes are no usable picture.
            ImageIdTakenError: the image has such a feature already, or other bytes.
            QueryError: a field is malformed.
            MissingFieldError: no picture or no id came.
        """
        image_id, data = required_id(form), required_picture(form)
        name = f"{image_id}.online"
        state, reason = self.library.add_feature(self.spec.kind, image_id, data, name=name)
        return said_of(state, reason)

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
        return self._items(Query(image_id=required_id(form)), form, turned=False)

    def similar_by_picture(self, form: Form) -> list[dict[str, Any]]:
        """Images near a picture, in whichever of the eight orientations.

        Returns:
            Items nearest first.

        Raises:
            ImageError: the bytes are no usable picture.
            QueryError: a field is malformed.
            MissingFieldError: no picture came.
        """
        return self._items(Query(data=required_picture(form)), form, turned=True)

    def similar_by_text(self, form: Form) -> list[dict[str, Any]]:
        """Images near a sentence.

        Returns:
            Items nearest first.

        Raises:
            ModelError: the model that understands words is missing or unusable.
            QueryError: a field is malformed, or the text is empty.
            MissingFieldError: no text came.
        """
        text = form.text("text", most=LONGEST_TEXT)
        if text is None:
            raise MissingFieldError("field 'text' is missing; send a sentence")
        return self._items(Query(text=text), form, turned=False)

    @cached_property
    def knobs(self) -> type[Any]:
        """The parameters of this kind's searches: a frozen dataclass."""
        return self.library.original_knobs(self.spec.kind)

    def _items(self, query: Query, form: Form, *, turned: bool) -> list[dict[str, Any]]:
        knobs = self.knobs(**turned_knobs(self.knobs, form))
        answer = self.library.search_original(self.spec.kind, query, knobs, turned=turned)
        return original_items(self.library, answer)


def original_items(library: "Library", answer: OriginalAnswer) -> list[dict[str, Any]]:
    """The items of an answer as the original's endpoints list them.

    Args:
        library: what was asked.
        answer: of one kind.

    Returns:
        Best first; with `file_name` where the kind, or the settings, say so.
    """
    items = [{"image_id": image_id, answer.figure: value} for image_id, value in answer.rows]
    return with_file_names(library, items, always=answer.has_file_names)


def with_file_names(
    library: "Library", items: Sequence[Mapping[str, Any]], *, always: bool = False
) -> list[dict[str, Any]]:
    """Items of the original's endpoints, with the names of their images where these are wanted.

    Args:
        library: what was asked.
        items: with `image_id`.
        always: and not only where the settings say so.

    Returns:
        New items; `file_name` is "" of an image that went meanwhile.
    """
    if not (always or library.settings.serve.original_file_names):
        return [dict(item) for item in items]
    records = library.images([item["image_id"] for item in items])
    names = {image_id: shown(record.name) for image_id, record in records.items()}
    return [{**item, "file_name": names.get(item["image_id"], "")} for item in items]


def required_id(form: Form) -> int:
    """The image id that a form names.

    Raises:
        MissingFieldError: it names none.
        QueryError: it is no id.
    """
    image_id = form.integer("image_id", least=0)
    if image_id is None:
        raise MissingFieldError("field 'image_id' is missing; send the id of the picture")
    return image_id


def required_picture(form: Form) -> bytes:
    """The bytes of the picture that a form brings.

    Raises:
        MissingFieldError: there is none.
        QueryError: it is empty.
    """
    if form.file is None:
        raise MissingFieldError("field 'image' is missing; send the picture as a file")
    return form.picture()


def said_of(state: FeatureState, reason: str) -> dict[str, str] | None:
    """What is answered to who added a picture: nothing where its feature is there.

    Args:
        state: of the feature.
        reason: why there is none.

    Returns:
        None, or the state with its reason.
    """
    return None if state is FeatureState.DONE else {"state": state.value, "reason": told(reason)}


def turned_knobs(knobs: type[Any], form: Form) -> dict[str, Any]:
    """The knobs that a form turns; the others keep their defaults.

    Args:
        knobs: frozen dataclass of whole numbers, numbers and flags.
        form: as it was sent; numbers and flags may be strings.

    Returns:
        Arguments of the dataclass.

    Raises:
        QueryError: a value is malformed or too small; the message names its field.
    """
    turned: dict[str, Any] = {}
    for row in knob_rows(knobs):
        least = 0 if row.minimum is None else row.minimum
        if row.form == "boolean":
            turned[row.name] = form.flag(row.name, default=row.default)
        elif row.form == "integer":
            turned[row.name] = form.integer(row.name, least=int(least))
        else:
            turned[row.name] = form.number(row.name, least=least)
    return {name: value for name, value in turned.items() if value is not None}


class KnobRow(NamedTuple):
    """One knob.

    Attributes:
        name: of its field.
        form: as JSON Schema calls it.
        default: where nothing is sent.
        minimum: smallest value accepted, or None.
        help: one sentence.
    """

    name: str
    form: Literal["boolean", "integer", "number"]
    default: Any
    minimum: float | None
    help: str


def knob_rows(knobs: type[Any]) -> list[KnobRow]:
    """What a dataclass of knobs declares.

    Returns:
        One row a field, in order.
    """
    hints = get_type_hints(knobs)
    return [
        KnobRow(
            row.name,
            _json_type(hints[row.name]),
            row.default,
            row.metadata.get("minimum"),
            row.metadata.get("help", ""),
        )
        for row in fields(knobs)
    ]


def _json_type(hint: Any) -> Literal["boolean", "integer", "number"]:
    """The form of `int`, `float | None` and the like."""
    (form,) = {part for part in get_args(hint) or (hint,) if part is not type(None)}
    return "boolean" if form is bool else "integer" if form is int else "number"
