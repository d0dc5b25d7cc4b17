"""Requests drawn from the description of the interface, well formed and not: none is a fault of the server.

Schemathesis draws them; a real server of a real library answers, and its answers are held to the description:
statuses, media types, and schemas of bodies.
"""

import warnings
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of what it imports itself
    import schemathesis
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

TESTED = {"images", "matches", "duplicates", "search", "system"}
"""Tags of operations; endpoints of the original system answer as it did, and kinds speak to each other."""

NOT_ASKED = {"show_metrics"}
"""Answers in the format of another program."""

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]

pytestmark = pytest.mark.usefixtures("without_embeddings")


def tried(url: str, *, examples: int) -> Counter[int]:
    """Asks every operation so often.

    Returns:
        How many answers had each status.
    """
    statuses: Counter[int] = Counter()
    for found in schemathesis.openapi.from_url(f"{url}/openapi.json").get_all_operations():
        operation = found.ok()
        definition = operation.definition.raw
        if TESTED & set(definition.get("tags", ())) and definition["operationId"] not in NOT_ASKED:
            ask_often(operation, examples, statuses)
    return statuses


def ask_often(operation: Any, examples: int, statuses: Counter[int]) -> None:
    """The same cases in every run, without looking for a smaller one of a failure."""

    @hypothesis_settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        response = case.call(timeout=60)
        statuses[response.status_code] += 1
        case.validate_response(response, checks=CHECKS)

    ask()


def served(terminal: Any, port: int, photographs: Any, *, examples: int) -> Counter[int]:
    terminal.run("add", photographs / "rocket.jpg", photographs / "coffee.png")
    with terminal.server("--port", str(port), port=port) as client:
        data = (photographs / "chelsea.png").read_bytes()
        assert client.post("/v1/images", files={"image": data}, data={"image_id": "0"}).status_code == 201
        statuses = tried(f"http://127.0.0.1:{port}", examples=examples)
        assert client.get("/readyz").status_code == 200
        assert terminal.run("check").out
    assert [status for status in statuses if status >= 500] == []
    return statuses


def test_no_request_of_some_hundred_is_a_fault(terminal, free_port, shipped_photographs) -> None:
    statuses = served(terminal, free_port, shipped_photographs, examples=15)
    assert statuses.total() >= 200
    assert {200, 201, 204, 400, 404} <= set(statuses)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_no_request_of_five_thousand_is_a_fault(terminal, free_port, shipped_photographs) -> None:
    statuses = served(terminal, free_port, shipped_photographs, examples=350)
    assert statuses.total() >= 5000
