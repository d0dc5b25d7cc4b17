"""Whatever is sent, no endpoint answers 500, and the server lives on."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

NUMBERS = st.one_of(
    st.integers(),
    st.sampled_from([0, -1, 1, 2**31, 2**53 - 1, 2**53, 2**63, 2**64, 10**30, -(10**30), 10**5000]),
    st.floats(),
    st.sampled_from(["NaN", "inf", "1e999", "0x10", "1_000", " 7 ", "٣", "-0", "", "1.0", "9" * 5000]),
)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    NUMBERS,
    st.text(max_size=20),
    st.text(st.characters(max_codepoint=0x10FFFF), max_size=5),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
NAMES = st.sampled_from(
    [
        "image_id",
        "k",
        "distance_threshold",
        "file_name",
        "text",
        "by",
        "min_score",
        "verdicts",
        "exclude_self",
        "fold",
        "tags",
        "name",
        "id",
        "image",
        "purge",
        "aqe_n",
    ]
)
FIELDS = st.dictionaries(NAMES, VALUES, max_size=5)
POSTS = [
    "/v1/images",
    "/v1/search",
    "/calculate_phash_features",
    "/delete_phash_features",
    "/phash_get_similar_images_by_id",
    "/color_get_similar_images_by_id",
    "/phash_get_similar_images_by_image_buffer",
    "/color_get_similar_images_by_image_buffer",
]
HASTY = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def check(answer):
    assert answer.status_code < 500, (answer.request.url, answer.status_code, answer.text[:500])
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"]
        assert len(answer.content) < 10_000


@pytest.fixture(scope="module")
def hostile(_servers, tmp_path_factory, picture, memory_library):
    library = memory_library(tmp_path_factory.mktemp("hostile"))
    for seed in range(3):
        library.add_image(picture(seed), name=f"{seed}")
    running = _servers(library, None)
    yield running.client
    assert running.client.get("/healthz").status_code == 200
    running.stop()


def dumped(value):
    try:
        return json.dumps(value).encode("ascii")
    except ValueError:  # a number of too many digits for Python to write
        return b'{"k": ' + b"9" * 5000 + b"}"


@HASTY
@given(url=st.sampled_from(POSTS), fields=FIELDS)
def test_json_of_any_shape(hostile, url, fields):
    check(hostile.post(url, content=dumped(fields), headers={"content-type": "application/json"}))


@pytest.mark.parametrize(
    ("method", "url", "fields"),
    [
        ("PATCH", "/v1/images/0", {"tags": ["\ud800", "a\udc80b"]}),
        ("PATCH", "/v1/images/0", {"\udfff": 1, "tags": []}),
        ("POST", "/v1/search", {"text": "\ud83d"}),
        ("POST", "/v1/search", {"image_id": 0, "by": ["\ud83d"]}),
        ("POST", "/delete_phash_features", {"file_name": "\udc80\ud800"}),
    ],
)
def test_half_characters_are_taken_as_text_that_is_not_there(hostile, method, url, fields):
    check(hostile.request(method, url, content=dumped(fields), headers={"content-type": "application/json"}))
    check(hostile.get("/v1/images/0"))


@HASTY
@given(url=st.sampled_from(POSTS), fields=FIELDS, body=st.binary(max_size=40), name=st.text(max_size=20))
def test_forms_of_any_shape(hostile, picture, url, fields, body, name):
    def text(value):
        try:
            return str(value).encode("utf-8", "replace").decode()
        except ValueError:
            return "9" * 5000

    data = {field: text(value) for field, value in fields.items()}
    name = name.encode("utf-8", "replace").decode()
    for content in (body, picture(1)):
        check(hostile.post(url, data=data, files={"image": (name or "x", content)}))


@HASTY
@given(
    url=st.sampled_from(POSTS),
    body=st.binary(max_size=300),
    content_type=st.sampled_from(
        [
            "multipart/form-data",
            "multipart/form-data; boundary=x",
            "multipart/form-data; boundary=x; charset=zlib",
            "multipart/form-data; boundary=" + "x" * 200,
            "multipart/form-data; boundary=\xe9",
            "application/x-www-form-urlencoded",
            "application/json; charset=utf-16",
            "image/png",
            "",
            "text/plain",
        ]
    ),
)
def test_bodies_of_any_bytes(hostile, url, body, content_type):
    headers = {"content-type": content_type.encode("latin-1")}
    check(hostile.post(url, content=body, headers=headers))
    framed = b'--x\r\nContent-Disposition: form-data; name="' + body + b'"\r\n\r\n' + body + b"\r\n--x--\r\n"
    check(hostile.post(url, content=framed, headers=headers))


@HASTY
@given(
    path=st.sampled_from(
        ["/v1/images/{}", "/v1/images/{}/file", "/v1/images/{}/thumbnail", "/web/{}", "/{}"]
    ),
    part=st.one_of(
        NUMBERS.map(lambda value: f"{value!s:.60}" if not isinstance(value, int) else "7" * 60),
        st.sampled_from(["../x", "..%2f..%2fetc%2fpasswd", "%00", "%ff", "app.js/..", "a" * 5000]),
        st.text(max_size=10),
    ),
    query=st.dictionaries(
        st.sampled_from(["size", "after", "limit", "order", "k", "id", "v"]),
        NUMBERS.map(lambda v: "7" * 60 if isinstance(v, int) else str(v)),
        max_size=3,
    ),
)
def test_addresses_of_any_shape(hostile, path, part, query):
    part = part.encode("utf-8", "replace").decode().replace("?", "").replace("#", "")
    url = (
        hostile.base_url.join(path.format(part))
        if "\x00" not in part and part.isprintable()
        else "/v1/images/x"
    )
    answer = hostile.get(url, params=query)
    assert answer.status_code < 500
    assert "root:" not in answer.text[:100] or "image" in answer.headers["content-type"]


@pytest.mark.parametrize(
    "name", ["..%2f..%2fhttp%2fapp.py", "../http/app.py", "index.html%00", "%2e%2e/wire.py"]
)
def test_no_file_but_the_pages_own_is_sent(hostile, name):
    assert hostile.get(f"/web/{name}").status_code in (404, 405)
