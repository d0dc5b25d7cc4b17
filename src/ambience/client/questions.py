"""A question as `Client.search` takes it becomes JSON, or a form where pictures go along."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ambience.client.pictures import Part, Picture, Sent


def question(
    picture: Picture | None, terms: Mapping[str, Any], parts: Sequence[Part], knobs: Mapping[str, Any]
) -> tuple[Sent | None, dict[str, Any] | None]:
    """The body of a search.

    Args:
        picture: the plain picture.
        terms: the other plain terms by name; None where absent.
        parts: further terms.
        knobs: how it is answered; None where absent.

    Returns:
        A form where there are pictures, else a document for JSON.
    """
    fields = {name: value for name, value in {**terms, **knobs}.items() if value is not None}
    pictures = {} if picture is None else {"image": picture}
    listed = []
    for place, part in enumerate(parts):
        said = {
            "text": part.text,
            "image_id": part.image_id,
            "url": part.url,
            "weight": part.weight,
            "region": None if part.region is None else list(part.region),
        }
        if part.picture is not None:
            pictures[f"part{place}"] = part.picture
            said["image"] = f"part{place}"
        listed.append({name: value for name, value in said.items() if value is not None})
    if listed:
        fields["parts"] = listed
    if not pictures:
        return None, fields
    return Sent({name: _field(value) for name, value in fields.items()}, pictures), None


def _field(value: Any) -> Any:
    """A value as a field of a form: lists of words are repeated, the rest is as JSON has it."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return value
    return json.dumps(value)
