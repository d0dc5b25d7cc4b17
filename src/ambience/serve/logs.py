"""Log lines for machines: one JSON object a line, on standard error."""

import json
import logging
import sys
from datetime import UTC, datetime

from ambience.errors import SettingsError
from ambience.serve.http.visit import current_visit

FORMATS = ("text", "json")


class JsonLines(logging.Formatter):
    """One JSON object a record; those of requests have fields of their own."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line of ASCII: nothing in it can forge another one.

        Args:
            record: of the log.

        Returns:
            A JSON object without line breaks.
        """
        said = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        visit = current_visit.get()
        if visit is not None:
            said["request_id"] = visit.request_id
        said |= getattr(record, "of", {})
        if record.exc_info:
            said["traceback"] = self.formatException(record.exc_info)
        return json.dumps(said)


def check_format(name: str) -> None:
    """Checks the setting `serve.log_format`.

    Raises:
        SettingsError: there is no such format.
    """
    if name not in FORMATS:
        raise SettingsError(f"serve.log_format = {name!r} is none of {', '.join(FORMATS)}")


def log_as_json() -> None:
    """Has every line of the log written as JSON from now on, requests included."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    logging.getLogger("ambience.access").setLevel(logging.INFO)
