"""The house keeps its own rules: layers, public names, and papers that agree with the code."""

import importlib
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import ambience

PROJECT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))


def _tracked(*patterns: str) -> list[Path]:
    if not (PROJECT / ".git").exists():
        pytest.skip("no git checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z", *patterns], cwd=PROJECT, capture_output=True, check=True, timeout=30
    )
    return [PROJECT / name for name in listed.stdout.decode().split("\0") if name]


def test_imports_point_one_way() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    checked = subprocess.run([program], cwd=PROJECT, capture_output=True, text=True, timeout=100, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_public_names_exist() -> None:
    missing = []
    for module in pkgutil.walk_packages(ambience.__path__, "ambience."):
        if module.name.endswith("__main__") or ".migrations" in module.name:
            continue
        loaded = importlib.import_module(module.name)
        missing += [
            f"{module.name}.{name}" for name in getattr(loaded, "__all__", ()) if not hasattr(loaded, name)
        ]
    assert missing == []
    assert callable(ambience.open)


def test_every_kind_and_engine_describes_its_settings() -> None:
    from ambience.serve.setting_rows import setting_rows
    from ambience.settings import Settings

    rows = setting_rows(Settings())
    names = {row.name for row in rows}
    assert {"library", "decode.max_bytes", "kinds.phash.index", "kinds.color.index"} <= names
    assert [row.name for row in rows if len(row.help) < 10 or not row.help.endswith(".")] == []


def test_pages_written_from_the_code_are_fresh() -> None:
    program = PROJECT / "tools" / "write_docs.py"
    checked = subprocess.run(
        [sys.executable, program, "--check"], capture_output=True, text=True, timeout=100, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_commands_of_the_readme_exist() -> None:
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z]+)", readme))
    assert {"demo", "test"} <= named
    assert named <= targets

    from ambience.serve.cli.app import root

    commands = set(re.findall(r"`?ambience ([a-z]+)\b", "\n".join(_code_of(readme))))
    assert commands
    assert commands <= set(root.commands)


def _code_of(text: str) -> list[str]:
    blocks = re.findall(r"```[a-z]*\n(.*?)```", text, re.DOTALL)
    return blocks + re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


def test_links_between_pages_lead_somewhere() -> None:
    broken = []
    for page in _tracked("*.md"):
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(PROJECT)}: {target}")
    assert broken == []


def test_the_changelog_tells_of_this_version() -> None:
    changelog = (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## {PYPROJECT['project']['version']} " in changelog


def test_no_path_of_a_developers_machine_is_tracked() -> None:
    home = re.compile(rb"(?<![\w.])(/(?:home|Users)/(?!someone)[a-z]\w+/|/root/|[A-Z]:\\\\Users\\\\)")
    text_files = [
        path for path in _tracked() if path.suffix in {".py", ".md", ".toml", ".ipynb", ".json", ""}
    ]
    assert len(text_files) > 20
    found = [
        str(path.relative_to(PROJECT))
        for path in text_files
        if path.is_file() and path != Path(__file__) and home.search(path.read_bytes())
    ]
    assert found == []
