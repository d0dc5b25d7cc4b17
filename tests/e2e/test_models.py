"""Models as people meet them: listed, not to be had, missing where a kind wants one, put in place by hand."""

import json
from pathlib import Path

from support.checkpoints import checkpoint
from support.hardnet import random_weights
from support.mirror import Mirror


def test_models_are_listed_and_a_mirror_without_them_is_told(terminal) -> None:
    listed = json.loads(terminal.run("models", "list", "--json").out)
    names = {row["name"] for row in listed}
    assert {"clip-vit-b16", "siglip2-b32-256", "siglip2-b16-256", "datacomp-b32-256"} <= names
    assert {"beit-b16-224-in22k", "dinov2-s14", "dinov2-b14", "sscd-disc"} <= names
    with Mirror() as mirror:
        terminal.environment["HF_ENDPOINT"] = mirror.address
        said = terminal.run("models", "install", "dinov2-s14", code=1).err
        assert f"{mirror.address}/onnx-community/dinov2-small/resolve/8b1f705a" in said
        assert "there is no such file (404)" in said
        assert "ambience models install dinov2-s14 --from DIR" in said
        terminal.environment["HF_HUB_OFFLINE"] = "1"
        asked = mirror.asked.total()
        said = terminal.run("models", "install", "dinov2-s14", code=1).err
        assert "models.offline (or HF_HUB_OFFLINE) is set" in said
        assert mirror.asked.total() == asked
    assert "no model 'dino'; have" in terminal.run("models", "install", "dino", code=1).err


def test_a_service_without_its_model_says_which_and_how_to_get_it(
    terminal, shipped_photographs: Path, free_port: int
) -> None:
    """503 with the text of the error; once files are there it is they that are judged, without a restart."""
    terminal.environment["AMBIENCE_KINDS__LOCAL_FEATURES__DESCRIPTOR"] = "hardnet"
    folder = terminal.folder / "models"
    terminal.environment["AMBIENCE_MODELS_FOLDER"] = str(folder)
    photograph = shipped_photographs / "rocket.jpg"
    with terminal.server("--port", str(free_port), port=free_port) as client:
        assert client.post("/v1/images", content=photograph.read_bytes()).status_code == 201
        refused = client.post("/v1/search?by=phash", files={"image": photograph.read_bytes()})
        assert refused.status_code == 200
        for path in ("/local_features_get_similar_images_by_image_buffer", "/calculate_local_features"):
            fields = {"image_id": "7"} if "calculate" in path else {"k": "3"}
            answer = client.post(path, files={"image": photograph.read_bytes()}, data=fields)
            assert answer.status_code == 503, answer.text
            assert answer.json()["code"] in ("model_missing", "model_unusable")
            for words in ("ambience models install hardnet", "5.3 MB", "licence MIT", str(folder)):
                assert words in answer.json()["detail"]
        used = {row["name"]: row["used_by"] for row in client.get("/v1/models").json()["models"]}
        assert used["hardnet"] == ["local_features"]
        place = folder / "hardnet" / "checkpoint_liberty_with_aug.pth"
        place.parent.mkdir(parents=True)
        place.write_bytes(checkpoint(random_weights("hardnet"), old=True))
        answer = client.post(
            "/local_features_get_similar_images_by_image_buffer",
            files={"image": photograph.read_bytes()},
            data={"k": "3"},
        )
        assert answer.status_code == 503
        assert answer.json()["code"] == "model_corrupt"
        assert "To fetch it again: ambience models install hardnet" in answer.json()["detail"]
