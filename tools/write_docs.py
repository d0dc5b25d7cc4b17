"""Writes the pages that follow from the code: docs/settings.md, docs/models.md, docs/kinds/README.md.

With `--check` it compares them.
"""

import sys
from pathlib import Path
from urllib.parse import urlsplit

from ambience.making import make_extractors
from ambience.models.catalog import CATALOG, ModelRow
from ambience.models.hub_rows import DEFAULT_WITH_HUB
from ambience.serve.model_infos import MAKES, with_parts
from ambience.serve.setting_rows import engines_for, setting_rows
from ambience.settings import Settings

DOCS = Path(__file__).parents[1] / "docs"
NOTICE = "<!-- Written by `make docs`; change the code, not this page. -->"

SETTINGS_TEXT = """\
# Settings

{notice}

A setting comes from the command line (`ambience --set decode.max_bytes=1000000 …`), else from the environment
(`AMBIENCE_DECODE_MAX_BYTES=1000000`), else from a TOML file (`--settings FILE`, or `AMBIENCE_SETTINGS`, or
`ambience.toml` in the platform's configuration folder), else from its default:

```toml
library = "/data/library"
[decode]
max_bytes = 1000000
[kinds.phash]
index = "exact"
```

Unknown names and values out of range are errors. `ambience info --settings` shows what is in force.

| setting | default | unit | what it does |
|---|---|---|---|
{rows}
"""

FOLDERS = {
    "library": "the platform's data folder",
    "models.folder": "`models` in the platform's data folder",
    "serve.keys_file": "`keys.json` in the library",
}

KINDS_TEXT = """\
# Kinds

{notice}

Each kind is one file in `src/ambience/extract/`; its service, endpoints, table, index and command-line name
follow from what it declares.

| kind | finds | vector | metric | index engines | port alone | fingerprint |
|---|---|---|---|---|---|---|
{rows}
"""


MODELS_TEXT = (Path(__file__).with_name("models.md")).read_text(encoding="utf-8")
"""What docs/models.md says around its table."""


def models_page() -> str:
    """The page of models: the table of the catalog, and what people must know to install one."""
    rows = "\n".join(_model_line(row) for row in CATALOG.values())
    unstated = [
        f"`{row.name}` (`{file.name}`)"
        for row in CATALOG.values()
        for file in row.files
        if file.sha256 is None and not row.made_by
    ]
    return MODELS_TEXT.format(
        notice=NOTICE, rows=rows, unstated=", ".join(unstated), default=DEFAULT_WITH_HUB
    )


def _model_line(row: ModelRow) -> str:
    parts = with_parts(row)
    about = "" if all(each.is_size_exact for each in parts) else "about "
    megabytes = f"{about}{sum(each.size for each in parts) / 1e6:,.0f} MB"
    source = f"nobody; made by `{row.made_by}`" if row.made_by else "comes with Ambience"
    if row.source:
        name = row.repository or urlsplit(row.source).hostname
        source = f"[{name}]({row.source})"
    title = f"{row.title}. {row.note}" if row.note else row.title
    return (
        f"| `{row.name}` | {MAKES[row.task]} | {title} | {row.dim} | {megabytes} | {row.licence} | {source} |"
    )


def settings_page() -> str:
    """The page of all settings; folders that depend on the machine are told in words."""
    lines = []
    for row in setting_rows(Settings(library=Path("/"))):
        default = FOLDERS.get(row.name, f"`{_literal(row.default)}`")
        lines.append(f"| `{row.name}` | {default} | {row.unit} | {row.help} |")
    return SETTINGS_TEXT.format(notice=NOTICE, rows="\n".join(lines))


def kinds_page() -> str:
    """The table of kinds."""
    lines = []
    for kind, extractor in make_extractors(Settings()).items():
        spec = extractor.spec
        link = f"[{kind}]({kind}.md)" if (DOCS / "kinds" / f"{kind}.md").is_file() else kind
        unit = "bits" if spec.metric == "hamming" else f"× {spec.dtype}"
        lines.append(
            f"| {link} | {spec.title} | {spec.dim} {unit} | {spec.metric} "
            f"| {', '.join(engines_for(spec.metric))} | {spec.port} | `{spec.fingerprint}` |"
        )
    return KINDS_TEXT.format(notice=NOTICE, rows="\n".join(lines))


def _literal(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    return str(list(value)) if isinstance(value, tuple) else str(value)


def main() -> int:
    """Writes the pages, or with --check says which are stale; the process's exit code."""
    pages = {
        DOCS / "settings.md": settings_page(),
        DOCS / "models.md": models_page(),
        DOCS / "kinds" / "README.md": kinds_page(),
    }
    stale = [
        page for page, text in pages.items() if not page.is_file() or page.read_text(encoding="utf-8") != text
    ]
    if "--check" in sys.argv[1:]:
        for page in stale:
            print(f"{page.relative_to(DOCS.parent)} is stale; run `make docs`")
        return 1 if stale else 0
    for page in stale:
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(pages[page], encoding="utf-8")
        print(f"wrote {page.relative_to(DOCS.parent)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
