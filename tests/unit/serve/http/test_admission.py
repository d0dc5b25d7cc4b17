"""Who may ask for what: keys, scopes, rates and sizes, over real sockets."""

import socket
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from ambience.keys import Scope
from ambience.search.remote import RemoteKind
from ambience.serve.http.app import create_app
from ambience.serve.http.errors import RateLimitError
from ambience.serve.http.rates import Rates
from ambience.serve.setting_rows import setting_rows
from ambience.settings import Settings
from ambience.store.keys import Keys

NOW = datetime(2026, 1, 2, tzinfo=UTC)
PUBLIC = {"/", "/docs", "/openapi.json", "/healthz", "/readyz", "/web/app.js", "/v1/login", "/v1/logout"}


@pytest.fixture
def keys(library):
    return Keys(library.folder / "keys.json")


@pytest.fixture
def made(keys):
    """Makes a key: `made("read", "add")` is the header to send."""

    def make(*scopes, name=None, **options):
        name = name or f"key{len(keys.all())}"
        _, token = keys.add(name, {Scope(scope) for scope in scopes}, now=NOW, **options)
        return {"authorization": f"Bearer {token}"}

    return make


@pytest.fixture
def guarded(library, serve):
    """A client of a server that others can reach."""
    return serve(library, host="0.0.0.0").client


def code(answer):
    return answer.status_code, answer.json()["code"]


@pytest.mark.parametrize("kind", [None, "phash", "color", "text", "tags", "caption"])
def test_every_route_says_what_it_needs(library, kind):
    app = create_app(library, kind=kind)
    routes = app.state.routes
    assert routes.undeclared() == [], "decorate these endpoints with scopes.needs or scopes.public"
    elsewhere = set(app.openapi()["paths"]) - set(routes.templates())
    assert elsewhere == set(), "routers are listed in app.create_app alone, so that their scopes are known"
    app.state.server.close()


def requests_of(app):
    """Every (method, template, need) of an application."""
    table = app.state.routes
    for template, methods in app.openapi()["paths"].items():
        for method in methods:
            path = template.replace("{image_id}", "7").replace("{other}", "8")
            need = table.find({"type": "http", "path": path, "method": method.upper()}).need
            yield method.upper(), path, need


def test_each_scope_opens_its_own_routes_and_no_other(library, guarded, made):
    app = create_app(library)
    headers = {scope: made(scope) for scope in Scope}
    seen = set()
    for method, path, need in requests_of(app):
        if need is None:
            assert path in PUBLIC
            assert guarded.request(method, path).status_code not in (401, 403)
            continue
        seen.add(need)
        assert code(guarded.request(method, path)) == (401, "key_required"), path
        for scope in Scope:
            answer = guarded.request(method, path, headers=headers[scope])
            if scope in (need, Scope.ADMIN):
                assert answer.status_code not in (401, 403), (method, path, scope)
            else:
                assert code(answer) == (403, "scope_missing"), (method, path, scope)
    assert seen == {Scope.READ, Scope.ADD, Scope.DELETE}
    app.state.server.close()


def test_the_original_systems_calls_change_nothing_without_the_right_scope(guarded, made, picture):
    file = {"image": ("a", picture(1))}
    reader, adder = made("read"), made("add", "read")
    call = {"url": "/calculate_phash_features", "files": file, "data": {"image_id": "7"}}
    assert code(guarded.post(**call, headers=reader)) == (403, "scope_missing")
    assert guarded.post(**call, headers=adder).status_code == 200
    delete = {"url": "/delete_phash_features", "json": {"image_id": 7}}
    assert code(guarded.post(**delete, headers=adder)) == (403, "scope_missing")
    assert guarded.post(**delete, headers=made("delete")).status_code == 200


@pytest.mark.parametrize("path", sorted(PUBLIC - {"/v1/login", "/v1/logout"}))
def test_the_pages_own_files_need_no_key(guarded, path):
    assert guarded.get(path).status_code == 200


@pytest.mark.parametrize("path", ["/nowhere", "/local/check", "/v1/images/7/nothing", "/metrics"])
def test_nothing_is_told_without_a_key_not_even_what_exists(guarded, path):
    assert code(guarded.get(path)) == (401, "key_required")
    assert guarded.get(path).headers["www-authenticate"] == 'Bearer realm="ambience"'


@pytest.mark.parametrize(
    "sent", ["Bearer", "Bearer x", "bearer amb_000000000000_" + "A" * 43, "Bearer é" + "x" * 5000]
)
def test_a_wrong_key_is_refused(guarded, made, sent):
    made("admin")
    answer = guarded.get("/v1/images", headers={"authorization": sent.encode("latin-1")})
    assert code(answer) == (401, "key_invalid")
    assert answer.headers["www-authenticate"].endswith('error="invalid_token"')


def test_a_proxys_own_authorization_is_no_key(guarded):
    assert code(guarded.get("/v1/images", headers={"authorization": "Basic YTpi"})) == (401, "key_required")


def test_an_expired_key_is_refused(guarded, made):
    gone = made("read", expires_at=NOW + timedelta(days=1))
    answer = guarded.get("/v1/images", headers=gone)
    assert code(answer) == (401, "key_invalid")
    assert "has expired" in answer.json()["detail"]


def test_a_key_revoked_while_it_is_used_opens_nothing_more(guarded, keys, library, made):
    headers = made("read", name="guest")
    assert guarded.get("/v1/images", headers=headers).status_code == 200
    Keys(library.folder / "keys.json").revoke("guest")  # as another process does
    assert code(guarded.get("/v1/images", headers=headers)) == (401, "key_invalid")


def test_a_broken_file_of_keys_lets_nobody_in_and_tells_no_path(guarded, library, made):
    headers = made("read")
    (library.folder / "keys.json").write_text("{")
    answer = guarded.get("/v1/images", headers=headers)
    assert code(answer) == (500, "store_damaged")
    assert str(library.folder) not in answer.text
    assert guarded.get("/healthz").status_code == 200


def test_no_key_is_asked_for_on_this_machine_or_where_the_settings_say_so(library, serve, made):
    assert serve(library).client.get("/v1/images").status_code == 200
    assert serve(library, host="0.0.0.0", open=True).client.get("/v1/images").status_code == 200
    asked = serve(library, host="127.0.0.1", open=False, require_key=True).client
    assert code(asked.get("/v1/images")) == (401, "key_required")
    assert asked.get("/v1/images", headers=made("read")).status_code == 200


@pytest.mark.parametrize("header", ["X-Forwarded-For", "forwarded", "x-real-ip", "via", "x-forwarded-host"])
def test_what_came_through_a_proxy_is_not_of_this_machine(client, header):
    assert code(client.get("/v1/images", headers={header: "203.0.113.9"})) == (401, "key_required")


def test_a_wrong_key_is_refused_where_none_is_needed_but_an_old_cookie_is_not(client):
    assert code(client.get("/v1/images", headers={"authorization": "Bearer x"})) == (401, "key_invalid")
    assert client.get("/v1/images", headers={"cookie": "ambience_key=x; a=b"}).status_code == 200


def test_the_page_logs_in_with_a_cookie_that_no_script_reads_and_no_other_site_sends(guarded, keys, made):
    token = made("read", name="page")["authorization"].removeprefix("Bearer ")
    wrong = guarded.post("/v1/login", json={"key": "amb_x"})
    assert code(wrong) == (401, "key_invalid")
    assert "set-cookie" not in wrong.headers
    assert code(guarded.post("/v1/login", json={})) == (400, "missing_field")
    assert code(guarded.post("/v1/login", json={"key": 7})) == (400, "query_malformed")
    assert guarded.post("/v1/login", content=b"x" * 5000).status_code == 413
    origin = str(guarded.base_url).rstrip("/")
    answer = guarded.post("/v1/login", json={"key": f" {token} "}, headers={"origin": origin})
    assert answer.json() == {"name": "page", "scopes": ["read"], "expires_at": None}
    cookie = answer.headers["set-cookie"].lower()
    assert all(part in cookie for part in ("httponly", "samesite=strict", "path=/"))
    assert "secure" not in cookie
    assert guarded.get("/v1/images").status_code == 200  # the client sends it along
    assert code(guarded.delete("/v1/images/7")) == (403, "scope_missing")
    keys.revoke("page")
    assert code(guarded.get("/v1/images")) == (401, "key_invalid")
    assert guarded.get("/").status_code == 200  # so that one can log in again
    assert guarded.post("/v1/logout").status_code == 204
    assert code(guarded.get("/v1/images")) == (401, "key_required")


def test_behind_tls_the_cookie_never_travels_in_the_clear(library, serve, made):
    token = made("read")["authorization"].removeprefix("Bearer ")
    client = serve(library, require_key=True, allowed_hosts=("photos.example",)).client
    headers = {"host": "photos.example", "origin": "https://photos.example"}
    answer = client.post("/v1/login", json={"key": token}, headers=headers)
    assert "; secure" in answer.headers["set-cookie"].lower()


@pytest.mark.parametrize(
    "cookie", ["ambience_key", "ambience_key=", 'ambience_key="', "a=b; ambience_key=\x7f", "=;;="]
)
def test_odd_cookies_are_no_keys(guarded, cookie):
    assert guarded.get("/v1/images", headers={"cookie": cookie.encode()}).status_code == 401


def test_a_refused_request_is_answered_before_its_body_is_sent(guarded):
    host, port = guarded.base_url.host, guarded.base_url.port
    with socket.create_connection(("127.0.0.1", port), timeout=5) as raw:
        raw.sendall(
            f"POST /v1/images HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 90000000\r\n\r\n".encode()
        )
        answer = raw.makefile("rb").read()  # to the end: the connection is closed, nothing more is read
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"connection: close" in answer.lower()


def test_a_key_sends_so_many_requests_a_second_and_no_more(guarded, made):
    slow, fast = made("read", rate=1.0), made("read", rate=0.0)
    statuses = [guarded.get("/v1/kinds", headers=slow) for _ in range(12)]
    refused = [answer for answer in statuses if answer.status_code == 429]
    assert 2 <= len(statuses) - len(refused) <= 5  # two at once, and what flows in meanwhile
    assert refused[0].json()["code"] == "too_many_requests"
    assert int(refused[0].headers["retry-after"]) >= 1
    assert {guarded.get("/v1/kinds", headers=fast).status_code for _ in range(12)} == {200}
    assert guarded.get("/healthz").status_code == 200


def test_the_setting_is_the_rate_of_keys_without_one_of_their_own(library, serve, made):
    client = serve(library, require_key=True, key_rate=0.5).client
    headers = made("read")
    assert [client.get("/v1/kinds", headers=headers).status_code for _ in range(3)] == [200, 429, 429]


def test_a_key_may_be_allowed_smaller_bodies(guarded, made, picture):
    small = made("add", max_upload_bytes=1000)
    body = {"content": picture(1) + bytes(1000), "headers": {"content-type": "image/png"}}
    refused = guarded.post("/v1/images", content=body["content"], headers=body["headers"] | small)
    assert code(refused) == (413, "body_too_large")
    assert (
        guarded.post("/v1/images", content=picture(1), headers=body["headers"] | made("add")).status_code
        == 201
    )


def test_a_bucket_fills_steadily_and_holds_no_more_than_a_burst():
    now = 0.0
    rates = Rates(burst_s=2.0, clock=lambda: now)

    def taken(most):
        for n in range(most):
            try:
                rates.take("a", 5.0)
            except RateLimitError as exc:
                return n, exc.retry_after_s
        return most, 0.0

    assert taken(100) == (10, pytest.approx(0.2))
    now = 0.4
    assert taken(100)[0] == 2
    now = 1000.0
    assert taken(100)[0] == 10
    rates.take("b", 0.1)  # another key has a bucket of its own, of one at least
    with pytest.raises(RateLimitError) as refused:
        rates.take("b", 0.1)
    assert refused.value.retry_after_s == pytest.approx(10)


def test_a_gateway_shows_its_services_the_key_that_they_ask_for(library, serve, made):
    url = serve(library, require_key=True).server.url
    library.one_kind = lambda kind: SimpleNamespace(require=lambda fingerprint: None)  # has what is asked for
    spec, token = library.kinds["phash"].spec, made("read")["authorization"].removeprefix("Bearer ")
    with_key, without = (RemoteKind(spec, url, connections=1, key=key) for key in (token, ""))
    assert with_key.probe()
    assert not without.probe()
    assert "refuses this process: a key is needed" in without.info.message
    assert "(kinds.phash.key)" in without.info.message
    with_key.close()
    without.close()


def test_a_key_in_the_settings_is_not_shown():
    settings = Settings(kinds={"phash": {"key": "amb_secret"}})
    assert {row.value for row in setting_rows(settings) if row.name == "kinds.phash.key"} == {"(set)"}
