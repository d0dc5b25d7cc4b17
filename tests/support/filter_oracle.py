"""What a filter keeps, one record at a time: the oracle of the conditions in SQL."""

import operator
import re
import unicodedata
from fractions import Fraction

from ambience.datatypes import ImageRecord
from ambience.expression import (
    ASPECT_TOLERANCE,
    And,
    Compared,
    Expression,
    Having,
    Matching,
    Not,
    Or,
    Pattern,
    Period,
    Saying,
    Tagged,
    Wildcard,
    cases,
    folded,
)
from ambience.words import ImageWords, Tag

COMPARE = {
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


def keeps(expression: Expression, record: ImageRecord, words: ImageWords) -> bool:
    """Whether a filter keeps an image."""
    match expression:
        case And(conditions):
            return all(keeps(each, record, words) for each in conditions)
        case Or(conditions):
            return any(keeps(each, record, words) for each in conditions)
        case Not(condition):
            return not keeps(condition, record, words)
        case Tagged():
            return any(_is_tagged(expression, tag) for tag in words.tags)
        case Compared(figure, sign, Period() as period):
            return _is_during(_time(figure, record), sign, period)
        case Compared(figure, sign, value):
            assert isinstance(value, Fraction)
            return _is_so(figure, sign, value, record)
        case Matching("caption", pattern):
            return any(fits(caption.text, pattern) for caption in words.captions)
        case Matching(wording, pattern):
            text = getattr(record, wording)
            return text is not None and fits(text, pattern)
        case Having(part):
            given = {
                "caption": words.captions,
                "text": words.lines,
                "tags": words.tags,
                "date": record.taken_at,
            }
            return bool(given[part])
        case Saying(text):
            return any(text.casefold() in line.text.casefold() for line in words.lines)


def fits(text: str, pattern: Pattern, *, is_folded: bool = False) -> bool:
    """Whether the whole of a text fits a pattern."""
    for form in ("NFC", "NFD"):
        pieces = []
        for piece in pattern:
            if isinstance(piece, Wildcard):
                pieces.append(".*" if piece is Wildcard.MANY else ".")
            else:
                letters = unicodedata.normalize(form, folded(piece) if is_folded else piece)
                pieces += ["(?:" + "|".join(map(re.escape, sorted(cases(each)))) + ")" for each in letters]
        if re.fullmatch("".join(pieces), text, re.DOTALL):
            return True
    return False


def _is_tagged(tagged: Tagged, tag: Tag) -> bool:
    if tagged.operator is not None and not COMPARE[tagged.operator](tag.score, float(tagged.score)):
        return False
    if tagged.is_exact:
        return tag.text == "".join(tagged.pattern)
    if all(not isinstance(piece, Wildcard) for piece in tagged.pattern):
        return folded(tag.text) == folded("".join(tagged.pattern))
    return fits(folded(tag.text), tagged.pattern, is_folded=True)


def _time(figure: str, record: ImageRecord) -> str | None:
    moment = record.taken_at if figure == "date" else record.added_at
    return None if moment is None else moment.isoformat()


def _is_during(moment: str | None, sign: str, period: Period) -> bool:
    if moment is None:
        return False
    place = -1 if moment < period.start else 1 if moment >= period.end else 0
    return bool(COMPARE[sign](place, 0))


def _is_so(figure: str, sign: str, value: Fraction, record: ImageRecord) -> bool:
    width, height = record.width, record.height
    if figure in ("size", "id"):
        return bool(COMPARE[sign](record.size if figure == "size" else record.image_id, value))
    if figure in ("width", "height"):
        number = width if figure == "width" else height
        return number > 0 and bool(COMPARE[sign](number, value))
    if not (width > 0 and height > 0):
        return False
    if figure != "aspect":
        return bool(COMPARE[sign](width * height, value * (10**6 if figure == "megapixels" else 1)))
    aspect = Fraction(width, height)
    if sign in ("==", "!="):
        is_equal = abs(aspect / value - 1) <= ASPECT_TOLERANCE
        return is_equal == (sign == "==")
    return bool(COMPARE[sign](aspect, value))
