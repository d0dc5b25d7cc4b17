"""What every benchmark says about itself: machine, versions, commit; tables, JSON, the page of results.

`Report` is what a benchmark fills. `finish` prints its tables and then one line, a JSON object of its
figures; with `--update-docs` it also writes `benchmarks/results/NAME.json` and that benchmark's part of
`docs/benchmarks.md`. Run by itself (`python benchmarks/report.py`) it writes every part anew from the
results kept. No path of the machine is written: folders go by their last name.
"""

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "benchmarks.md"
IMAGES = ROOT / "docs" / "images"


@dataclass(frozen=True)
class Table:
    """Rows of text or numbers under a title.

    Attributes:
        title: one line.
        columns: headings; the first column names the row.
        rows: one entry per column.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | int | float]]


@dataclass
class Report:
    """All that a benchmark found.

    Attributes:
        name: of the benchmark's file.
        command: that makes these figures.
        figures: the one line at the end.
        parameters: sizes, seeds, repeats.
        packages: whose versions matter.
        tables: for people.
        notes: sentences printed above the tables.
        image: file name below docs/images, or "".
    details: kept in the JSON file alone.
    """

    name: str
    command: str
    figures: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    packages: Sequence[str] = ()
    tables: list[Table] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    image: str = ""
    details: dict[str, Any] = field(default_factory=dict)


def cache_folder(name: str) -> Path:
    """Where a benchmark keeps its inputs, outside the checkout; made if absent."""
    import platformdirs

    folder = Path(platformdirs.user_cache_dir("ambience-bench", appauthor=False)) / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def cores() -> int:
    """Processors that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def command_of(name: str, photos: Path | None, *, is_quick: bool) -> str:
    """What makes these figures, with the last name of the folder of photographs alone."""
    words = ["python", f"benchmarks/{name}.py"]
    words += ["--photos", photos.resolve().name] if photos else []
    return " ".join(words + (["--quick"] if is_quick else []))


def finish(report: Report, *, update_docs: bool, json_file: Path | None = None) -> None:
    """Prints the report, its figures last on one line; keeps it where asked.

    Args:
        report: filled.
        update_docs: whether to write `benchmarks/results/NAME.json` and the page.
        json_file: another place for the whole report, or None.
    """
    stored = as_dict(report)
    print(as_text(stored))
    text = json.dumps(stored, indent=1, ensure_ascii=False) + "\n"
    if json_file is not None:
        json_file.write_text(text, encoding="utf-8")
    if update_docs:
        RESULTS.mkdir(parents=True, exist_ok=True)
        (RESULTS / f"{report.name}.json").write_text(text, encoding="utf-8")
        update_page(stored)
    print(json.dumps(report.figures, ensure_ascii=False))


def as_dict(report: Report) -> dict[str, Any]:
    """A report with the machine, the versions and the commit that it was made on."""
    return {
        "benchmark": report.name,
        "command": report.command,
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit(),
        "machine": machine(),
        "versions": versions(report.packages),
        "parameters": report.parameters,
        "figures": report.figures,
        "notes": report.notes,
        "image": report.image,
        "tables": [asdict(table) for table in report.tables],
        "details": report.details,
    }


def machine() -> dict[str, str | int | float]:
    """Processor, cores, memory and system."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
    return {
        "processor": _processor(),
        "cores": cores(),
        "memory_gib": round(memory / 2**30, 1),
        "load_at_end": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else 0.0,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Version of each package that is installed."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def commit() -> str:
    """Short hash of the checkout's commit, with "+" where files under version control were changed."""
    git = shutil.which("git")
    if git is None:
        return "unknown"
    head = _output([git, "-C", str(ROOT), "rev-parse", "--short", "HEAD"])
    changed = _output([git, "-C", str(ROOT), "status", "--porcelain", "--untracked-files=no", "--", "src"])
    return (head or "unknown") + ("+" if changed else "")


def as_text(stored: Mapping[str, Any]) -> str:
    """The tables of a report for a terminal."""
    parts = [*stored["notes"]]
    for table in stored["tables"]:
        rows = [list(table["columns"]), *([_cell(entry) for entry in row] for row in table["rows"])]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        parts.append("\n" + table["title"])
        for row in rows:
            first, *others = (
                text.ljust(w) if n == 0 else text.rjust(w)
                for n, (text, w) in enumerate(zip(row, widths, strict=True))
            )
            parts.append("  ".join((first, *others)).rstrip())
    return "\n".join(parts)


def as_markdown(stored: Mapping[str, Any]) -> str:
    """One benchmark's part of the page."""
    host = stored["machine"]
    parts = [
        f"`{stored['command']}` · {stored['date']} · commit {stored['commit']} · {host['processor']}, "
        f"{host['cores']} cores, {host['memory_gib']:g} GiB, {host['system']}, "
        f"Python {host['python']}, load {host['load_at_end']} at the end · "
        + ", ".join(f"{name} {number}" for name, number in stored["versions"].items()),
    ]
    parts += stored["notes"]
    if stored.get("image"):
        parts.append(f"![{stored['benchmark']}](images/{stored['image']})")
    for table in stored["tables"]:
        lines = [
            f"**{table['title']}**",
            "",
            _row(table["columns"]),
            _row(["---"] + ["---:"] * (len(table["columns"]) - 1)),
        ]
        parts.append("\n".join(lines + [_row([_cell(entry) for entry in row]) for row in table["rows"]]))
    figures = json.dumps(stored["figures"], ensure_ascii=False)
    parts.append(f"Figures: `{figures}`")
    return "\n\n".join(parts)


def update_page(stored: Mapping[str, Any]) -> None:
    """Writes one benchmark's part of `docs/benchmarks.md` between its two markers.

    Raises:
        ValueError: the page has no such markers.
    """
    begin, end = (f"<!-- {stored['benchmark']}:{word} -->" for word in ("begin", "end"))
    page = PAGE.read_text(encoding="utf-8")
    if begin not in page or end not in page:
        raise ValueError(f"{PAGE.name} lacks {begin} … {end}; add both where this benchmark's part belongs")
    head, rest = page.split(begin, 1)
    tail = rest.split(end, 1)[1]
    PAGE.write_text(f"{head}{begin}\n\n{as_markdown(stored)}\n\n{end}{tail}", encoding="utf-8")


def _processor() -> str:
    """Name of the processor, as the system gives it."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _output(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def _cell(entry: str | int | float) -> str:
    return f"{entry:.3g}" if isinstance(entry, float) else str(entry)


def _row(entries: Sequence[str]) -> str:
    return "| " + " | ".join(entries) + " |"


if __name__ == "__main__":
    for kept in sorted(RESULTS.glob("*.json")):
        update_page(json.loads(kept.read_text(encoding="utf-8")))
