"""Each setting once: name, default, unit, help. `docs/settings.md` is generated from the rows here.

No settings object is made at import; `settings_sources` makes them.
"""

import os
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, get_type_hints

import platformdirs


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
    merge: str = setting(
        "evidence",
        "",
        "Order of an answer: evidence (verdicts and scores), reciprocal_rank (of the kinds, k = 60), or "
        "original (the merge of the original system); nothing is dropped by any.",
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
    duplicates: bool = setting(
        True, "", "Look for duplicates in the background; `ambience duplicates` finds them either way."
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
