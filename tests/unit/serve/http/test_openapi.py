"""The description of the interface is whole: names, texts, examples and errors of every operation."""

import re

import pytest
from fastapi.routing import APIRoute

from ambience.serve.http.app import create_app
from ambience.serve.http.examples import ANSWERS, REQUESTS
from ambience.serve.http.openapi import DESCRIPTIONS, codes_of

ORIGINAL = "original system"


@pytest.fixture
def app(library):
    return create_app(library)


@pytest.fixture
def document(client):
    return client.get("/openapi.json").json()


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def routes_of(routes):
    """Every route, those of routers within others included."""
    for route in routes:
        if isinstance(route, APIRoute):
            yield route
        else:
            yield from routes_of(getattr(getattr(route, "original_router", None), "routes", ()))


def test_every_operation_says_what_it_is(document):
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names)) > 20
    assert [name for name in names if not re.fullmatch(r"[a-z][a-z0-9_]*", name)] == []
    assert {"add_image", "add_images", "search", "search_by_link", "show_image", "list_jobs"} <= set(names)
    for path, _, operation in operations(document):
        assert len(operation["summary"]) > 10, path
        assert operation["description"].startswith(operation["summary"]), path
        for parameter in operation.get("parameters", []):
            said = parameter.get("description") or parameter["schema"].get("examples")
            assert said, f"{path}: {parameter['name']}"


def test_every_operation_names_its_errors(document):
    for path, _, operation in operations(document):
        failures = {status: each for status, each in operation["responses"].items() if status >= "4"}
        assert {"400", "403", "421", "500", "503"} <= set(failures), path
        assert ("404" in failures) or "{" not in path, path
        assert ("413" in failures) or "requestBody" not in operation, path
        assert "4XX" not in failures
        for status, answer in failures.items():
            (content,) = answer["content"].values()
            assert list(answer["content"]) == ["application/problem+json"]
            codes = content["schema"]["allOf"][1]["properties"]["code"]["enum"]
            assert codes == codes_of(int(status)) and codes
            assert content["example"]["code"] in codes
            assert content["example"]["status"] == int(status)


def test_every_status_of_errors_is_described():
    statuses = [status for status in range(400, 600) if codes_of(status)]
    assert set(statuses) - {405} <= set(DESCRIPTIONS)
    assert codes_of(409)[0] == "image_id_taken"
    assert {"query_malformed", "unknown_kind", "filter_malformed", "malformed"} <= set(codes_of(400))


def test_every_answer_in_json_has_an_example_of_its_schema(document, app):
    models = {route.name: route.response_model for route in routes_of(app.routes)}
    for path, _, operation in operations(document):
        if ORIGINAL in operation.get("tags", []):
            continue
        name = operation["operationId"]
        for status, answer in operation["responses"].items():
            content = answer.get("content", {}).get("application/json")
            if status.startswith("2") and content is not None:
                assert content.get("example"), path
                if name.startswith("compare_"):
                    continue
                shown = models[name].model_validate(content["example"]).model_dump(mode="json")
                assert shown == content["example"], path
    assert set(ANSWERS) <= set(models)


def test_requests_have_examples(document):
    for _, _, operation in operations(document):
        if ORIGINAL in operation.get("tags", []) or "kinds" in operation.get("tags", []):
            continue
        for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
            shown = content.get("example") or content.get("examples")
            assert shown or media_type == "image/*", operation["operationId"]
    assert set(REQUESTS) <= {operation["operationId"] for _, _, operation in operations(document)}
