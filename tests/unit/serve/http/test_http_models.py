"""`/v1/models`, and what HTTP says of a model that is missing."""

from ambience.errors import CorruptModelError, DownloadError, MissingModelError, ModelError
from ambience.models.catalog import CATALOG
from ambience.serve.http.errors import problem_of, status_of


def test_every_model_is_listed(client):
    listed = client.get("/v1/models").json()["models"]
    assert [row["name"] for row in listed] == list(CATALOG)
    siglip = next(row for row in listed if row["name"] == "siglip2-b32-256")
    assert siglip["size"] == 1_542_158_476
    assert siglip["licence"] == "Apache-2.0"
    assert siglip["is_installed"] is False
    assert siglip["used_by"] == []
    assert siglip["install"] == "ambience models install siglip2-b32-256"


def test_a_missing_model_is_503_with_what_to_do():
    for error in (ModelError, MissingModelError, CorruptModelError, DownloadError):
        assert status_of(error("x")) == 503
    answer = problem_of(MissingModelError("run: ambience models install tiny"))
    assert b'"code":"model_missing"' in answer.body
    assert b"ambience models install tiny" in answer.body
    assert "retry-after" not in answer.headers  # waiting does not bring it
