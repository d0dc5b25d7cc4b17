"""Docstrings say what the types cannot: what comes back, what is raised, where a method comes from.

The rules, by which this test reads every public function, method and class of the package:

* Returns: a function that answers something needs a section "Returns:" (or "Yields:"), unless it is a
  property, or short (at most three statements, or five lines), where the first line says it.
* Raises: a function that raises an exception itself names it in a section "Raises:", however short it is.
* Source: a kind, and a form of index that is more than a plain scan, names its literature.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import ambience

PACKAGE = Path(ambience.__file__).parent
PASSED_OVER = ("store/migrations/",)
SHORT_STATEMENTS, SHORT_LINES = 3, 5
WITHOUT_SOURCE = {"base.py", "exact.py"}
"""Contracts, and the oracle: comparing with everything has no author."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Place(NamedTuple):
    file: str
    name: str
    node: Function

    def __str__(self) -> str:
        return f"{self.file}:{self.node.lineno} {self.name}"


def _modules() -> list[Path]:
    """Those of the package; one whose name begins with an underscore is private to its folder."""
    found = [path for path in sorted(PACKAGE.rglob("*.py")) if not re.match(r"_[a-z]", path.name)]
    return [path for path in found if not str(path.relative_to(PACKAGE)).startswith(PASSED_OVER)]


def _public_functions(path: Path) -> Iterator[Place]:
    """Functions of a module, and methods of its classes, whose names (and their owners') are public."""
    file = str(path.relative_to(PACKAGE))
    owners: list[tuple[str, ast.AST]] = [("", ast.parse(path.read_text(encoding="utf-8")))]
    while owners:
        prefix, owner = owners.pop()
        for node in ast.iter_child_nodes(owner):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                owners.append((f"{prefix}{node.name}.", node))
            elif isinstance(node, Function) and not node.name.startswith("_"):
                yield Place(file, f"{prefix}{node.name}", node)


def _body(node: Function) -> list[ast.stmt]:
    return node.body[1:] if ast.get_docstring(node) is not None else node.body


def _own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """What is inside a function, but not inside functions and classes defined within it."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, Function | ast.ClassDef | ast.Lambda):
            yield child
            yield from _own_nodes(child)


def _is_short(node: Function) -> bool:
    body = _body(node)
    statements = sum(isinstance(each, ast.stmt) for part in body for each in [part, *_own_nodes(part)])
    lines = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
    return statements <= SHORT_STATEMENTS or lines <= SHORT_LINES


def _is_property(node: Function) -> bool:
    names = {ast.unparse(each).rpartition(".")[2] for each in node.decorator_list}
    return bool(names & {"property", "cached_property", "setter"})


def _answers(node: Function) -> bool:
    return node.returns is not None and ast.unparse(node.returns) not in ("None", "NoReturn", "Never")


def _is_command(node: Function) -> bool:
    """Whether a decorator makes it a command or a route, whose docstring is read by its users."""
    calls = [each.func for each in node.decorator_list if isinstance(each, ast.Call)]
    routes = {"command", "group", "get", "post", "patch", "delete", "put", "api_route", "middleware"}
    return any(isinstance(call, ast.Attribute) and call.attr in routes for call in calls)


def _raised(node: Function) -> set[str]:
    """Names of exceptions that a function raises by name; "" for one that another function makes."""
    names = set()
    for each in _own_nodes(node):
        if isinstance(each, ast.Raise) and each.exc is not None:
            made = each.exc.func if isinstance(each.exc, ast.Call) else each.exc
            name = ast.unparse(made).rpartition(".")[2]
            is_class = isinstance(each.exc, ast.Call | ast.Attribute) or name[:1].isupper()
            names.add(name if is_class and name[:1].isupper() else "")
    return names


PLACES = [place for path in _modules() for place in _public_functions(path)]


def test_the_rules_read_the_whole_package() -> None:
    files = {place.file for place in PLACES}
    assert {"library.py", "settings.py", "extract/base.py", "serve/cli/output.py"} <= files
    assert len(PLACES) > 100


def test_public_functions_say_what_they_are() -> None:
    assert [
        str(place) for place in PLACES if ast.get_docstring(place.node) is None and not _is_short(place.node)
    ] == []


def test_functions_that_answer_say_what_comes_back() -> None:
    missing = [
        str(place)
        for place in PLACES
        if _answers(place.node)
        and not (_is_short(place.node) or _is_property(place.node) or _is_command(place.node))
        and not any(word in (ast.get_docstring(place.node) or "") for word in ("Returns:", "Yields:"))
    ]
    assert missing == []


def test_functions_that_raise_name_the_exception() -> None:
    missing = []
    for place in PLACES:
        section = (ast.get_docstring(place.node) or "").partition("Raises:")[2]
        unnamed = [name for name in _raised(place.node) if not section or name not in section]
        if unnamed and not _is_command(place.node):
            missing.append(f"{place} raises {', '.join(sorted(unnamed)) or 'something'}")
    assert missing == []


@pytest.mark.parametrize("folder", ["extract", "index"])
def test_methods_name_their_source(folder: str) -> None:
    modules = [
        path
        for path in sorted((PACKAGE / folder).glob("*.py"))
        if path.name not in WITHOUT_SOURCE and not path.name.startswith("_")
    ]
    assert modules
    missing = []
    for path in modules:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        owners = [tree, *(node for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef))]
        if not any("Source:" in (ast.get_docstring(owner) or "") for owner in owners):
            missing.append(path.name)
    assert missing == []
