"""Each setting once: name, default, unit, help; and the one loader.

Command line over environment over TOML over default. Nothing else reads `os.environ`, and no settings
object is made at import. `docs/settings.md` is generated from the rows here.
"""

import math
import os
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_type_hints

import platformdirs

from ambience.errors import SettingsError

ENVIRONMENT_PREFIX = "AMBIENCE_"


def setting(default: Any, unit: str, help: str, *, minimum: float | None = None) -> Any:
    """A dataclass field that carries its unit, its help line and its smallest legal value.

    Args:
        default: value where nothing else is said.
        unit: "bytes", "seconds", "" …
        help: one sentence for people.
        minimum: smallest value accepted.

    Returns:
        A `dataclasses.field`.
    """
    return field(default=default, metadata={"unit": unit, "help": help, "minimum": minimum})


def count_or_cores(count: int) -> int:
    """A number of threads or processes, of which 0 means as many as cores that this process may use.

    Returns:
        1 or more.
    """
    if count > 0:
        return count
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else (os.cpu_count() or 1)


@dataclass(frozen=True, slots=True)
class DecodeSettings:
    """How bytes become pixels, and what is refused."""

    exact: bool = setting(
        False, "", "Decode every picture at full size, so that hashes and histograms are bit-exact (slower)."
    )
    max_bytes: int = setting(512 * 2**20, "bytes", "Largest file that is read.", minimum=1)
    max_pixels: int = setting(300_000_000, "pixels", "Most pixels a picture may have.", minimum=1)
    max_frames: int = setting(20_000, "frames", "Most frames an animation may have.", minimum=1)
    max_aspect: float = setting(500.0, "", "Largest ratio of the longer to the shorter side.", minimum=1)
    worker_pixels: int = setting(
        50_000_000,
        "pixels",
        "Pictures larger than this are decoded in a worker process, whatever the format.",
    )
    worker_timeout_s: float = setting(
        12.0, "seconds", "A decoding worker that takes longer is killed.", minimum=0.1
    )
    worker_memory: int = setting(
        1_400 * 2**20,
        "bytes",
        "Address space that a decoding worker may use beyond its start.",
        minimum=2**20,
    )
    workers: int = setting(0, "processes", "Decoding worker processes; 0: as many as cores.", minimum=0)


@dataclass(frozen=True, slots=True)
class FetchSettings:
    """How pictures are fetched from the web."""

    timeout_s: float = setting(
        20.0, "seconds", "A picture that takes longer to fetch is given up.", minimum=0.1
    )
    max_bytes: int = setting(100 * 2**20, "bytes", "Largest picture that is fetched.", minimum=1)
    max_redirects: int = setting(5, "redirects", "Redirects that are followed, each checked anew.", minimum=0)
    ports: tuple[str, ...] = setting(
        ("80", "443", "8080", "8443"), "", "Ports that are fetched from; any, where `allow_private` is set."
    )
    allow_private: bool = setting(
        False, "", "Fetch from addresses of this machine and its own network as well, not only the internet."
    )


@dataclass(frozen=True, slots=True)
class IngestSettings:
    """How pictures are added."""

    threads: int = setting(0, "threads", "Threads that decode and extract; 0: as many as cores.", minimum=0)
    commit_images: int = setting(512, "images", "Most images that one commit holds.", minimum=1)
    commit_interval_s: float = setting(1.0, "seconds", "A bulk commit waits no longer than this.", minimum=0)
    hidden: bool = setting(False, "", "Add hidden files and folders as well.")
    watch_polls: bool = setting(
        False,
        "",
        "Watch folders by looking again and again, as network drives need, not by the system's events.",
    )


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """How indexes are kept."""

    snapshot_interval_s: float = setting(
        60.0, "seconds", "A changed index is written to disk no more often than this.", minimum=0
    )
    verify_snapshots: bool = setting(
        True, "", "Check the sha256 of index files: small ones when they are opened, large ones soon after."
    )
    min_recall: float = setting(
        0.8,
        "",
        "Share of what an exact search finds that a newly trained index must find, measured on a sample, to "
        "take the place of the one that serves.",
        minimum=0,
    )


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """Models that kinds ask for."""

    folder: Path | None = field(
        default=None,
        metadata={
            "unit": "",
            "help": "Folder of the models' weights, one folder in it a model.",
            "minimum": None,
        },
    )
    precision: str = setting(
        "auto",
        "",
        "Numbers that models calculate in: f32, bf16, int8 (faster, a little less exact), or auto: bf16 "
        "where that is faster, else f32.",
    )
    threads: int = setting(
        0, "threads", "Threads that models calculate with at a time; 0: as many as cores.", minimum=0
    )
    device: str = setting(
        "auto",
        "",
        "What published networks run on: cpu, cuda (a graphics card of NVIDIA, with ambience[cuda]), or "
        "auto: cuda where it can be used, else cpu.",
    )
    idle_s: float = setting(
        600.0, "seconds", "A model that nobody used for so long gives its memory back; 0: never.", minimum=0
    )
    hub: str = setting(
        "https://huggingface.co",
        "",
        "Hub of models, or a mirror of it, that models are installed from; else the variable HF_ENDPOINT.",
    )
    offline: bool = setting(
        False, "", "Never ask a network for models; also set by the variable HF_HUB_OFFLINE=1."
    )


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """How questions are answered."""

    k: int = setting(20, "hits", "Hits that are answered where nothing else is asked.", minimum=1)
    max_k: int = setting(1000, "hits", "Most hits that can be asked for at once.", minimum=1)
    max_depth: int = setting(5000, "hits", "Most hits of one question on all its pages together.", minimum=1)
    deadline_s: float = setting(
        10.0, "seconds", "A kind that has not answered by then is named as late.", minimum=0.01
    )
    calibration: Path | None = field(
        default=None,
        metadata={
            "unit": "",
            "help": "File that says what figures of the kinds prove, made by tools/fit_calibration.py; by "
            "default the one that ships.",
            "minimum": None,
        },
    )


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """The HTTP server."""

    host: str = setting("127.0.0.1", "", "Address to bind.")
    port: int = setting(0, "", "Port; 0: 44444 for everything in one process, the kind's own port alone.")
    allowed_hosts: tuple[str, ...] = setting(
        (), "", "Host names answered beside localhost and the bound address; * answers all."
    )
    allowed_origins: tuple[str, ...] = setting(
        (), "", "Origins of other web pages that may change something."
    )
    max_upload_bytes: int = setting(
        100 * 2**20, "bytes", "Largest request body, beyond which 413 is answered.", minimum=1
    )
    max_batch_bytes: int = setting(
        2**30,
        "bytes",
        "Largest request body of many pictures, each of them at most serve.max_upload_bytes.",
        minimum=1,
    )
    max_batch_files: int = setting(1000, "files", "Most pictures of one request.", minimum=1)
    workers: int = setting(
        0, "threads", "Requests worked on at the same time; 0: as many as cores.", minimum=0
    )
    queue: int = setting(
        64, "requests", "Requests that may wait; beyond that 503 with Retry-After.", minimum=0
    )
    open: bool = setting(
        False, "", "Answer without keys although others can reach the port: only in a network that you trust."
    )
    require_key: bool = setting(
        False,
        "",
        "Ask for a key on this machine's own address as well, as is right behind a reverse proxy; the Unix "
        "socket of the command line never asks.",
    )
    keys_file: Path | None = field(
        default=None,
        metadata={
            "unit": "",
            "help": "File of the keys, which servers may share; by default `keys.json` in the library.",
            "minimum": None,
        },
    )
    key_rate: float = setting(
        100.0,
        "requests/s",
        "Requests a second that a key may send, unless it was made with another rate; 0: any number.",
        minimum=0,
    )
    body_timeout_s: float = setting(
        300.0, "seconds", "A request whose body takes longer to arrive is given up.", minimum=0.1
    )
    max_connections: int = setting(
        1000, "connections", "Connections at the same time; further ones get 503.", minimum=1
    )
    log_format: str = setting(
        "text", "", "Lines of the log: text, or json with one line a request (docs/network.md)."
    )
    original_status_codes: bool = setting(
        False, "", "Answer the original system's endpoints with its own status codes (500 for every error)."
    )
    original_file_names: bool = setting(
        False, "", "Add file_name to results of the original system's endpoints, as its GET_FILENAMES=1 does."
    )


@dataclass(frozen=True, slots=True)
class KindSettings:
    """What every kind has, beside the options that its own file declares."""

    enabled: bool = setting(
        True, "", "Make and search this kind; once it is off, `ambience clean` deletes what is stored of it."
    )
    url: str = setting(
        "",
        "",
        "Address of the process that makes and searches this kind, such as http://127.0.0.1:33336; empty: "
        "this process itself.",
    )
    key: str = setting("", "", "API key that this process shows to the one at `url` (docs/network.md).")


@dataclass(frozen=True, slots=True)
class AnnotatorSettings:
    """What every annotator has, beside the options that its own file declares."""

    enabled: bool = setting(True, "", "Look at every picture, in the background; what was said before stays.")
    url: str = setting(
        "",
        "",
        "Address of the process that has this annotator, such as http://127.0.0.1:33339; what it says is "
        "kept here. Empty: this process itself.",
    )


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings.

    Attributes:
        library: the folder that holds the library.
        kinds: for each kind, the options that its own file declares; checked when the kind is made.
        annotate: likewise for each annotator.
    """

    library: Path = field(
        default_factory=lambda: Path(platformdirs.user_data_dir("ambience", appauthor=False)),
        metadata={"unit": "", "help": "Folder of the library.", "minimum": None},
    )
    decode: DecodeSettings = DecodeSettings()
    fetch: FetchSettings = FetchSettings()
    ingest: IngestSettings = IngestSettings()
    index: IndexSettings = IndexSettings()
    models: ModelSettings = ModelSettings()
    search: SearchSettings = SearchSettings()
    serve: ServeSettings = ServeSettings()
    kinds: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    annotate: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


SECTIONS = ("decode", "fetch", "ingest", "index", "models", "search", "serve")


def load_settings(
    *,
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Settings:
    """Settings from all four sources.

    Args:
        file: a TOML file; by default `ambience.toml` in the platform's configuration folder, if there.
        environment: by default `os.environ`; `AMBIENCE_LIBRARY`, `AMBIENCE_DECODE_MAX_BYTES`,
            `AMBIENCE_KINDS__PHASH__INDEX` and so on; `AMBIENCE_SETTINGS` names the TOML file.
        overrides: dotted name → value, from the command line ("decode.max_bytes": "1000").

    Returns:
        One frozen object; nothing is read again later.

    Raises:
        SettingsError: a name is unknown, or a value is malformed or out of range.
    """
    environment = os.environ if environment is None else environment
    named = file or (Path(environment["AMBIENCE_SETTINGS"]) if "AMBIENCE_SETTINGS" in environment else None)
    flat: dict[str, Any] = {}
    flat.update(_from_toml(named))
    flat.update(_from_environment(environment))
    flat.update(overrides or {})
    return _build(flat)


def options_from(options_class: type[Any], values: Mapping[str, Any], *, where: str) -> Any:
    """An options dataclass of a kind or an engine, from strings or TOML values.

    Args:
        options_class: frozen dataclass whose fields are made by `setting`.
        values: name → value.
        where: dotted prefix for messages, such as "kinds.phash".

    Returns:
        An instance of `options_class`.

    Raises:
        SettingsError: a name is unknown, or a value is malformed or out of range.
    """
    hints = get_type_hints(options_class)
    known = {row.name: row for row in fields(options_class)}
    changes = {}
    for name, value in values.items():
        if name not in known:
            raise SettingsError(f"unknown setting {where}.{name}; have {', '.join(sorted(known)) or 'none'}")
        changes[name] = _converted(f"{where}.{name}", value, hints[name], known[name].metadata.get("minimum"))
    return replace(options_class(), **changes)


def _from_toml(named: Path | None) -> dict[str, Any]:
    file = named or Path(platformdirs.user_config_dir("ambience", appauthor=False)) / "ambience.toml"
    if named is None and not file.is_file():
        return {}
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise SettingsError(f"cannot read settings from {file}: {exc}") from exc
    return dict(_flattened(table, ""))


def _flattened(table: Mapping[str, Any], prefix: str) -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for name, value in table.items():
        if isinstance(value, Mapping):
            rows += _flattened(value, f"{prefix}{name}.")
        else:
            rows.append((f"{prefix}{name}", value))
    return rows


def _from_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables of ours by dotted name; `AMBIENCE_SETTINGS` names a file and is no setting."""
    found = {}
    for variable, value in environment.items():
        if not variable.startswith(ENVIRONMENT_PREFIX) or variable == "AMBIENCE_SETTINGS":
            continue
        name = variable.removeprefix(ENVIRONMENT_PREFIX).lower()
        section, _, rest = name.partition("_")
        # A kind's own name may hold underscores, so two of them part the names below `kinds` and `annotate`.
        found[f"{section}.{rest}" if section in SECTIONS else name.replace("__", ".")] = value
    if "GET_FILENAMES" in environment:  # the original system's own switch, in which anything but 1 is off
        found.setdefault("serve.original_file_names", str(environment["GET_FILENAMES"] == "1"))
    # The variables that other programs go by which fetch models from the same hub.
    if hub := environment.get("HF_ENDPOINT", "").strip():
        found.setdefault("models.hub", hub)
    if environment.get("HF_HUB_OFFLINE", "").strip().lower() in _TRUE:
        found.setdefault("models.offline", "true")
    return found


def _build(flat: Mapping[str, Any]) -> Settings:
    sections: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS}
    named: dict[str, dict[str, dict[str, Any]]] = {"kinds": {}, "annotate": {}}
    library: Path | None = None
    for name, value in flat.items():
        section, _, rest = name.partition(".")
        if name == "library":
            library = Path(str(value)).expanduser().absolute()
        elif section in sections and rest:
            sections[section][rest] = value
        elif section in named and rest.count(".") == 1:
            owner, _, option = rest.partition(".")
            named[section].setdefault(owner, {})[option] = value
        else:
            raise SettingsError(
                f"unknown setting {name!r}; see docs/settings.md or `ambience info --settings`"
            )
    hints = get_type_hints(Settings)
    built = {name: options_from(hints[name], values, where=name) for name, values in sections.items()}
    settings = Settings(kinds=named["kinds"], annotate=named["annotate"], **built)
    return settings if library is None else replace(settings, library=library)


_ACCEPTED: Mapping[Any, str] = {bool: "true or false", int: "a whole number", float: "a finite number"}
_TRUE, _FALSE = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off"})


def _converted(name: str, value: Any, hint: Any, minimum: float | None) -> Any:
    """A value as its field's type; strings come from the environment and the command line."""
    if isinstance(hint, UnionType):
        options = [each for each in get_args(hint) if each is not type(None)]
        if value is None or value == "":
            return None
        hint = options[0]
    try:
        converted = _as_type(value, hint)
    except (TypeError, ValueError) as exc:
        accepted = _ACCEPTED.get(hint, f"a {getattr(hint, '__name__', hint)}")
        raise SettingsError(f"{name} = {value!r} is not {accepted}") from exc
    if minimum is not None and converted < minimum:
        raise SettingsError(f"{name} = {value!r} is below the smallest value, {minimum:g}")
    return converted


def _as_type(value: Any, hint: Any) -> Any:
    if hint is bool:
        word = str(value).strip().lower()
        if word not in _TRUE | _FALSE:
            raise ValueError(word)
        return word in _TRUE
    if hint is int:
        if isinstance(value, bool | float):
            raise TypeError(value)
        return int(value)
    if hint is float:
        if isinstance(value, bool):
            raise TypeError(value)
        number = float(value)
        if not math.isfinite(number):
            raise ValueError(value)
        return number
    if hint is Path:
        return Path(str(value)).expanduser()
    if getattr(hint, "__origin__", None) is tuple:
        parts = value.split(",") if isinstance(value, str) else list(value)
        return tuple(str(part).strip() for part in parts if str(part).strip())
    return hint(value)


def rows() -> list[tuple[str, Any, str, str]]:
    """Every setting of no kind or annotator: (dotted name, default, unit, help), in the order of this file.

    Returns:
        One tuple per setting.
    """
    listed: list[tuple[str, Any, str, str]] = []
    for top in fields(Settings):
        if top.name == "library":
            listed.append(("library", None, "", top.metadata["help"]))
        elif top.name in SECTIONS:
            section = get_type_hints(Settings)[top.name]
            for row in fields(section):
                default = None if row.default is MISSING else row.default
                listed.append((f"{top.name}.{row.name}", default, row.metadata["unit"], row.metadata["help"]))
    return listed
