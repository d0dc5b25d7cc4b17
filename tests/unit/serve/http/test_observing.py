"""Ids, log lines and figures of requests."""

import json
import logging
import re
import time

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from ambience.errors import SettingsError
from ambience.serve.http.observing import SECURITY_HEADERS
from ambience.serve.http.visit import Visit, current_visit
from ambience.serve.logs import JsonLines, check_format


def test_every_answer_has_an_id_the_clients_own_where_it_is_sane(client):
    assert client.get("/v1/kinds", headers={"x-request-id": "a.B_9-"}).headers["x-request-id"] == "a.B_9-"
    for sent in ("", "a b", "x" * 65, "é", 'a"b', "a\tb"):
        answer = client.get("/v1/kinds", headers={"x-request-id": sent.encode("latin-1")})
        assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])
    for path, options in (("/nowhere", {}), ("/v1/kinds", {"headers": {"host": "evil.example"}}), ("/", {})):
        assert len(client.get(path, **options).headers["x-request-id"]) == 32
    assert client.get("/v1/kinds").headers["x-request-id"] != client.get("/v1/kinds").headers["x-request-id"]


@pytest.mark.parametrize("path", ["/v1/kinds", "/nowhere", "/healthz", "/v1/images/9", "/web/app.js"])
def test_every_answer_has_the_security_headers(client, path):
    headers = client.get(path).headers
    for name, value in SECURITY_HEADERS:
        assert headers[name.decode()] == value.decode()


def test_the_pages_own_policies_stay(client):
    assert "script-src 'self'" in client.get("/").headers["content-security-policy"]
    assert client.get("/").headers.get_list("content-security-policy") == [
        client.get("/").headers["content-security-policy"]
    ]


def test_a_fault_of_ours_is_answered_with_its_id_and_logged_with_it(library, serve, caplog):
    def broken(*_, **__):
        raise RuntimeError("a secret of ours")

    library.jobs = broken
    answer = serve(library).client.get("/v1/jobs", headers={"x-request-id": "find-me"})
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "secret" not in answer.text
    assert answer.headers["x-request-id"] == "find-me"
    assert answer.headers["x-content-type-options"] == "nosniff"
    (record,) = [each for each in caplog.records if each.name == "ambience.http"]
    assert record.getMessage() == "GET /v1/jobs failed"
    assert record.exc_info is not None


def test_a_line_says_what_was_asked_and_how_it_went_and_no_question(library, serve, caplog, picture):
    caplog.set_level(logging.INFO, logger="ambience.access")
    client = serve(library).client
    client.post("/v1/images", files={"image": ("private.png", picture(1))}, headers={"x-request-id": "one"})
    client.get(
        "/v1/search?text=my+private+words&id=0", headers={"x-request-id": "two", "cookie": "a=private"}
    )
    client.get("/v1/images/0")
    told = []
    while len(told) < 3:  # a line comes after the answer
        told = [each for each in caplog.records if each.name == "ambience.access"]
        time.sleep(0.005)
    lines = [json.loads(JsonLines().format(each)) for each in told]
    assert [(line["method"], line["route"], line["request_id"][:3]) for line in lines[:2]] == [
        ("POST", "/v1/images", "one"),
        ("GET", "/v1/search", "two"),
    ]
    assert lines[0]["status"] == 201
    assert lines[0]["bytes_in"] > len(picture(1))
    assert lines[2]["bytes_out"] > 100
    assert lines[2]["route"] == "/v1/images/{image_id}"
    assert lines[0]["duration_ms"] > 0
    assert lines[0]["client"] == "127.0.0.1"
    assert "private" not in json.dumps(lines)


def test_lines_of_threads_name_the_request_and_forge_no_other_line():
    formatter = JsonLines()
    record = logging.LogRecord("ambience.x", logging.WARNING, "", 1, "odd %s", ("a\n{}\x1b",), None)
    token = current_visit.set(Visit("seven"))
    line = formatter.format(record)
    current_visit.reset(token)
    assert "\n" not in line
    assert json.loads(line)["request_id"] == "seven"
    assert json.loads(line)["message"] == "odd a\n{}\x1b"
    assert "request_id" not in json.loads(formatter.format(record))


def test_formats_of_lines():
    check_format("json")
    with pytest.raises(SettingsError, match="'xml' is none of text, json"):
        check_format("xml")


def figures(client):
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_figures_for_prometheus(library, serve, picture):
    client = serve(library, workers=2, queue=5).client
    for _ in range(3):
        client.post("/v1/images", files={"image": ("a", picture(1))})
    client.get("/v1/search?id=0")
    client.get("/v1/images/0")
    client.get("/v1/images/999")
    client.get("/some/where/else?x=1")
    client.request("BREW", "/v1/kinds")
    found = figures(client)
    assert found["ambience_http_requests_total", "/v1/images", "201", "POST"] == 3
    assert found["ambience_http_requests_total", "/v1/images/{image_id}", "200", "GET"] == 1
    assert found["ambience_http_requests_total", "/v1/images/{image_id}", "404", "GET"] == 1
    assert found["ambience_http_requests_total", "(none)", "404", "GET"] == 1
    assert found["ambience_http_requests_total", "/v1/kinds", "405", "other"] == 1
    assert found["ambience_http_request_duration_seconds_count", "/v1/images"] == 3
    assert found["ambience_http_requests_in_progress",] == 1  # this very one
    assert found["ambience_kind_answers_total", "ok", "phash"] == 1
    assert found["ambience_kind_search_seconds_count", "color"] == 1
    assert found["ambience_queue_places", "work"] == 7
    assert found["ambience_queue_taken", "work"] == 0
    assert found["ambience_images",] == 3
    assert found["ambience_pending_images", "phash"] == 0
    assert found["ambience_jobs", "done", "rebuild"] == 1
    assert found["process_resident_memory_bytes",] > 1e6
    assert not [name for name in found if "999" in "".join(name) or "else" in "".join(name)]


def test_figures_of_two_servers_are_their_own_and_need_a_key_on_a_network(
    library, serve, memory_library, tmp_path
):
    one = serve(library).client
    (tmp_path / "other").mkdir()
    other = serve(memory_library(tmp_path / "other")).client
    one.get("/v1/kinds")
    assert ("ambience_http_requests_total", "/v1/kinds", "200", "GET") in figures(one)
    assert ("ambience_http_requests_total", "/v1/kinds", "200", "GET") not in figures(other)
    guarded = serve(library, host="0.0.0.0").client
    assert guarded.get("/metrics").status_code == 401


def test_the_unix_socket_has_ids_and_figures_too(library, serve):
    running = serve(library)
    transport = httpx.HTTPTransport(uds=str(running.server.socket_path))
    with httpx.Client(transport=transport, base_url="http://localhost") as local:
        assert local.get("/v1/kinds", headers={"x-request-id": "cli"}).headers["x-request-id"] == "cli"
    assert figures(running.client)["ambience_http_requests_total", "/v1/kinds", "200", "GET"] == 1
