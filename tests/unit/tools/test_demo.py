"""The port that `make demo` serves at."""

import importlib.util
import socket
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def demo() -> ModuleType:
    spec = importlib.util.spec_from_file_location("demo", Path(__file__).parents[3] / "tools" / "demo.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_a_taken_port_is_told_with_a_command_that_works(demo: ModuleType, taken_port: int) -> None:
    with pytest.raises(demo.DemoError, match=f"port {taken_port} is taken.*make demo PORT={taken_port + 1}"):
        demo._free_port(taken_port, or_any=False)


def test_a_demo_that_ends_by_itself_takes_any_port(demo: ModuleType, taken_port: int) -> None:
    assert demo._free_port(taken_port, or_any=True) not in (0, taken_port)


def test_a_free_port_is_taken_as_asked(demo: ModuleType, taken_port: int) -> None:
    free = demo._free_port(taken_port, or_any=True)
    assert demo._free_port(free, or_any=True) == free
