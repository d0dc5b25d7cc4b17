"""A question as it was sent: fields of a form, of JSON or of a link become a query and its knobs."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from ambience.answers import Expansion, Query, QueryPart, Region
from ambience.datatypes import Verdict
from ambience.decode.url import fetch
from ambience.errors import QueryError
from ambience.paging import LONGEST_CURSOR
from ambience.search.combination import LONGEST_TEXT, MINUS, MOST_TERMS, checked_region, settled
from ambience.search.embedding import USUAL
from ambience.search.filters import LONGEST_FILTER
from ambience.serve.http.bodies import Form, base_name
from ambience.serve.http.state import ServerState

LONGEST_URL = 4096
"""Characters of the address of a picture."""

MOST_URLS = 4
"""Pictures that one question has fetched from the web."""

PART_FIELDS = ("text", "image_id", "image", "url", "weight", "region")

Pictures = Mapping[str, bytes]
"""Address → bytes of the picture there."""


@dataclass(frozen=True, slots=True)
class Knobs:
    """How a question is answered, as `Library.search` takes it."""

    by: list[str] | None
    k: int | None
    verdicts: list[Verdict] | None
    min_score: float
    exclude_self: bool
    fold: bool
    filter: str | None
    cursor: str | None
    wait_s: float | None


async def pictures_of(state: ServerState, form: Form) -> Pictures:
    """The pictures whose addresses a question names, fetched without holding up other questions.

    Args:
        state: of the server.
        form: as it was sent.

    Returns:
        By address; empty where it names none.

    Raises:
        BusyError: too many are being fetched.
        FetchError: one cannot be fetched, or may not be.
        QueryError: an address is none, or there are too many.
    """
    said = [form.text("url", most=LONGEST_URL)]
    for number, each in enumerate(_listed(form), 1):
        given = [name for name in ("url", "image", "image_id", "text") if each.get(name) not in (None, "")]
        if given[:1] == ["url"] and len(given) > 1:  # told before anything is fetched
            raise QueryError(f"part {number} has {' and '.join(given)}; give one of them")
        said.append(Form({"url": [each.get("url")]}).text("url", most=LONGEST_URL))
    urls = list(dict.fromkeys(url for url in said if url is not None))
    if len(urls) > MOST_URLS:
        raise QueryError(f"the question names {len(urls)} addresses; at most {MOST_URLS} are fetched")
    settings = state.library.settings.fetch
    found: dict[str, bytes] = {}
    for url in urls:
        async with state.fetches.place():
            found[url] = (await state.fetches.run(partial(fetch, url, settings))).data
    return found


def query_of(form: Form, pictures: Pictures | None = None) -> Query:
    """The question of a form: its plain fields, and then its parts.

    Args:
        form: as it was sent.
        pictures: that it names by their addresses; None where none are fetched.

    Returns:
        A settled question.

    Raises:
        QueryError: a field is malformed, or there is nothing to ask.
    """
    listed = _listed(form)
    named = {each.get("image") for each in listed if isinstance(each.get("image"), str)}
    is_plain = form.file is not None and "image" not in named
    image_id, url = form.integer("image_id", least=0), form.text("url", most=LONGEST_URL)
    parts = [QueryPart(data=form.picture())] if is_plain else []
    parts += [QueryPart(image_id=image_id)] if image_id is not None else []
    parts += [QueryPart(data=_fetched(url, pictures))] if url is not None else []
    region = region_of(form)
    if region is not None:
        if len(parts) != 1:
            raise QueryError(
                f"region goes with one picture, and there are {len(parts)} beside it; say within 'parts' "
                "which picture each region is of"
            )
        parts = [QueryPart(parts[0].data, parts[0].image_id, region=region)]
    for name, weight in (("text", 1.0), ("minus", MINUS)):
        text = form.text(name, most=LONGEST_TEXT)
        parts += [QueryPart(text=text, weight=weight)] if text is not None else []
    parts += [_part(form, each, number, pictures or {}) for number, each in enumerate(listed, 1)]
    for name in form.others:
        if name not in named:
            raise QueryError(
                f"the file came as field {name[:80]!r}; send it as 'image', or name it in 'parts' as "
                '{"image": "…"}'
            )
    name = form.file_name or (base_name(urlsplit(url).path) if url else "") or "query"
    return settled(Query(parts=tuple(parts), name=name, expansion=_expansion(form)))


def knobs_of(form: Form, *, max_k: int) -> Knobs:
    """How the question of a form is to be answered.

    Args:
        form: as it was sent.
        max_k: most hits that may be asked for.

    Returns:
        Checked one by one.

    Raises:
        QueryError: a field is malformed.
    """
    return Knobs(
        by=form.words("by"),
        k=form.integer("k", least=1, most=max_k),
        verdicts=_verdicts(form),
        min_score=form.number("min_score", least=0, most=1) or 0.0,
        exclude_self=form.flag("exclude_self"),
        fold=form.flag("fold"),
        filter=form.text("filter", most=LONGEST_FILTER),
        cursor=form.text("cursor", most=LONGEST_CURSOR),
        wait_s=form.number("wait", least=0),
    )


def _listed(form: Form) -> list[dict[str, Any]]:
    return form.objects("parts", most=MOST_TERMS)


def _part(form: Form, said: dict[str, Any], number: int, pictures: Pictures) -> QueryPart:
    """One term of a question, as it was sent."""
    own = Form({name: [value] for name, value in said.items()})
    for name in said:
        if name not in PART_FIELDS:
            raise QueryError(
                f"part {number} has {name[:80]!r}; a part has one of text, image_id, image and url, and may "
                "have weight and region"
            )
    field, url = own.text("image"), own.text("url", most=LONGEST_URL)
    weight = own.number("weight", least=-float("inf"))
    data = None if field is None else form.picture(field)
    return QueryPart(
        data=data if url is None else _fetched(url, pictures),
        image_id=own.integer("image_id", least=0),
        text=own.text("text", most=LONGEST_TEXT),
        weight=1.0 if weight is None else weight,
        region=region_of(own),
    )


def _fetched(url: str, pictures: Pictures | None) -> bytes:
    if url not in (pictures or {}):
        raise QueryError("pictures of the web are not fetched here; send the picture")
    return (pictures or {})[url]


def region_of(form: Form) -> Region | None:
    """The field `region` of a question: the part of its picture that is asked with.

    Returns:
        Left, upper, width and height, as shares of the picture's sides; None where the field is not there.

    Raises:
        QueryError: it is no list of four numbers, or not within the picture.
    """
    numbers = form.numbers("region", count=4)
    if numbers is None:
        return None
    x, y, width, height = numbers
    checked_region((x, y, width, height))
    return x, y, width, height


def _expansion(form: Form) -> Expansion | None:
    n, alpha = form.integer("aqe_n", least=0), form.number("aqe_alpha", least=0)
    if n is None and alpha is not None:
        raise QueryError("aqe_alpha says how the aqe_n nearest pictures count; give aqe_n as well")
    return None if n is None else Expansion(n, USUAL.alpha if alpha is None else alpha)


def _verdicts(form: Form) -> list[Verdict] | None:
    wanted = form.words("verdicts")
    known = {verdict.value for verdict in Verdict}
    for verdict in wanted or []:
        if verdict not in known:
            raise QueryError(f"verdicts = {verdict[:80]!r} is none; have {', '.join(Verdict)}")
    return [Verdict(verdict) for verdict in wanted] if wanted else None
