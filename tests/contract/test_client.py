"""The client is equal to the interface: every operation has a method that offers all it takes."""

import importlib.util
import inspect
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ambience.client import Client
from ambience.client.operations import OPERATIONS

PROJECT = Path(__file__).parents[2]

NOT_FOR_CLIENTS = ("original system", "kinds")
"""Tags of operations for clients of the original system, and for processes that serve one kind."""

ELSEWHERE = {"tell_health", "tell_readiness", "show_metrics", "log_in", "log_out", "stream", "stream_by_link"}
"""For programs that watch the server, and for pages in a browser."""

NAMES = {
    "image": "picture",
    "id": "image_id",
    "items": "images",
    "other": "image_id",
}
"""What the interface calls something → what the client calls it, where they differ."""

HEAVY = ("numpy", "PIL", "faiss", "cv2", "numba", "openvino", "fastapi", "pydantic", "sqlalchemy", "lmdb")


@pytest.fixture(scope="module")
def writer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_client", PROJECT / "tools" / "write_client.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def operations(writer: ModuleType) -> dict[str, dict[str, Any]]:
    document = writer.described()
    found = {
        operation["operationId"]: operation
        for path, methods in document["paths"].items()
        for operation in methods.values()
        if not set(NOT_FOR_CLIENTS) & set(operation.get("tags", ()))
    }
    return {name: operation for name, operation in found.items() if name not in ELSEWHERE}


def _taken(operation: dict[str, Any]) -> set[str]:
    """Names of all parameters and of all fields of the body."""
    names = {parameter["name"] for parameter in operation.get("parameters", ())}
    for content in operation.get("requestBody", {}).get("content", {}).values():
        names |= set(content["schema"].get("properties", ()))
    return names


def test_every_operation_has_a_method_that_offers_all_it_takes(operations: dict[str, dict[str, Any]]) -> None:
    assert len(operations) > 15
    missing = []
    for name, operation in operations.items():
        methods = OPERATIONS.get(name, set())
        offered = {
            parameter
            for method in methods
            for parameter in inspect.signature(getattr(Client, method)).parameters
        }
        missing += [name] if not methods else []
        lacks = {NAMES.get(each, each) for each in _taken(operation)} - offered
        missing += [f"{name}: {each}" for each in sorted(lacks)]
    # A picture to compare is the query of the client's methods, whichever way it is sent.
    assert [each for each in missing if each != "compare_sent: picture"] == []


def test_no_method_asks_what_is_not_there(operations: dict[str, dict[str, Any]]) -> None:
    assert set(OPERATIONS) <= set(operations)


def test_the_models_are_those_of_the_schemas() -> None:
    program = PROJECT / "tools" / "write_client.py"
    checked = subprocess.run(
        [sys.executable, program, "--check"], capture_output=True, text=True, timeout=100, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_model_has_the_fields_of_its_schema(writer: ModuleType) -> None:
    from dataclasses import MISSING, fields

    from ambience.client.models import SCHEMAS

    schemas = writer.described()["components"]["schemas"]
    for name, cls in SCHEMAS.items():
        assert {each.name for each in fields(cls)} == set(schemas[name]["properties"])
        required = {each.name for each in fields(cls) if each.default is each.default_factory is MISSING}
        assert required == set(schemas[name].get("required", ()))


def test_importing_the_client_loads_nothing_heavy() -> None:
    code = "import ambience.client, sys; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert set(loaded.stdout.split()) & set(HEAVY) == set()
    assert not any(name.startswith("ambience.serve") for name in loaded.stdout.split())
