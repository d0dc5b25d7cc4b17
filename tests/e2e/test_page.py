"""The page in a real browser: a dropped, pasted or chosen picture shows the right first hit."""

import base64
import contextlib
import io
import os
import re
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from PIL import Image, ImageOps

from ambience import library
from ambience.keys import Scope
from ambience.serve.http.run import Server
from ambience.settings import ModelSettings, ServeSettings, Settings
from ambience.store.keys import Keys

sync_api = pytest.importorskip(
    "playwright.sync_api", reason="the page is tested where playwright is installed"
)

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(
    BROWSER is None, reason="no Chromium on this machine; on Debian and Ubuntu: apt install chromium"
)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NAMES = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")

DROP = """([name, data]) => {
  const bytes = Uint8Array.from(atob(data), (sign) => sign.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, { type: "image/jpeg" }));
  const target = document.getElementById("ask");
  for (const type of ["dragover", "drop"]) {
    target.dispatchEvent(new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true }));
  }
}"""
PASTE = """([name, data]) => {
  const bytes = Uint8Array.from(atob(data), (sign) => sign.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, { type: "image/jpeg" }));
  document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true }));
}"""

STICKING_OUT = """() => [...document.querySelectorAll(".card")].flatMap((card) => {
  const edge = card.getBoundingClientRect();
  const isOut = (box) => box.width > 0 && (box.right > edge.right + 0.5 || box.left < edge.left - 0.5);
  return [...card.querySelectorAll("*")].filter((each) => isOut(each.getBoundingClientRect()));
}).map((each) => each.outerHTML)"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, shipped_photographs: Path) -> Iterator[str]:
    """Address of a server of four photographs."""
    settings = Settings(library=tmp_path_factory.mktemp("page") / "library")
    with served(settings, [shipped_photographs / name for name in NAMES]) as address:
        yield address


@contextlib.contextmanager
def served(settings: Settings, photographs: Sequence[Path]) -> Iterator[str]:
    """A server in this process, of photographs that were sent to it; its address."""
    with library.open(settings=settings, writer=True) as opened:
        server = Server(opened, port=0)
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            while not server.is_listening:
                time.sleep(0.01)
            for path in photographs:
                files = {"image": (path.name, path.read_bytes())}
                sent = httpx.post(f"{server.url}v1/images", files=files, timeout=60, trust_env=False)
                sent.raise_for_status()
            yield server.url
        finally:
            server.stop()
            thread.join(30)
            server.close()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator["sync_api.Browser"]:
    environment = {**os.environ, "HOME": str(tmp_path_factory.mktemp("browser"))}
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=BROWSER, headless=True, args=FLAGS, env=environment
        )
        yield launched
        launched.close()


@pytest.fixture
def page(browser: "sync_api.Browser", url: str) -> Iterator["sync_api.Page"]:
    """The page, opened; nothing may fail, nothing may come from another server."""
    faults: list[str] = []
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    opened.on(
        "request",
        lambda asked: None if asked.url.startswith((url, "blob:", "data:")) else faults.append(asked.url),
    )
    opened.goto(url)
    opened.wait_for_selector("#recent-grid .card")
    yield opened
    context.close()
    assert faults == []


@pytest.fixture(scope="module")
def turned_coffee(shipped_photographs: Path) -> bytes:
    """A small, recompressed, turned copy."""
    out = io.BytesIO()
    with Image.open(shipped_photographs / "coffee.png") as image:
        image.convert("RGB").resize((300, 200)).rotate(90, expand=True).save(out, "JPEG", quality=75)
    return out.getvalue()


def first_hit(page: "sync_api.Page") -> "sync_api.Locator":
    page.wait_for_selector("#hits .card")
    return page.locator("#hits .card").first


@pytest.mark.parametrize("how", [DROP, PASTE], ids=["dropped", "pasted"])
def test_a_picture_shows_its_original_first(page: "sync_api.Page", turned_coffee: bytes, how: str) -> None:
    page.evaluate(how, ["copy.jpg", base64.b64encode(turned_coffee).decode()])
    hit = first_hit(page)
    assert hit.locator(".name").inner_text() == "coffee.png"
    badges = hit.locator(".badge").all_inner_texts()
    assert badges[0] == "Same picture"
    assert badges[1].startswith("Rotated 90°")
    assert "apart" in hit.locator(".why").inner_text()
    assert "found for copy.jpg" in page.locator("#said").inner_text()
    sync_api.expect(hit.locator("img")).to_have_js_property("complete", True)
    assert hit.locator("img").evaluate("(image) => image.naturalWidth") > 0


def test_the_colors_tab_large_view_and_find_similar(page: "sync_api.Page", turned_coffee: bytes) -> None:
    page.set_input_files("#file", {"name": "c.jpg", "mimeType": "image/jpeg", "buffer": turned_coffee})
    first_hit(page)
    page.get_by_role("tab", name="Same colors").click()
    page.wait_for_selector("#hits .card .badge.color")
    assert first_hit(page).locator(".name").inner_text() == "coffee.png"
    first_hit(page).locator(".shot").click()
    assert page.locator("#large").is_visible()
    assert page.locator("#large-title").inner_text() == "coffee.png"
    page.get_by_role("button", name="Find similar").last.click()
    sync_api.expect(page.locator("#ask-title")).to_have_text("coffee.png")
    page.wait_for_url("**/?id=*")
    page.get_by_role("button", name="Start over").click()
    sync_api.expect(page.locator("#recent-grid .card .name")).to_have_text(list(reversed(NAMES)))
    assert page.locator("#summary").inner_text() == "4 pictures"


@pytest.fixture(scope="module")
def mirrored_crop(shipped_photographs: Path) -> bytes:
    """A fifth of the coffee, mirrored."""
    out = io.BytesIO()
    with Image.open(shipped_photographs / "coffee.png") as image:
        ImageOps.mirror(image.convert("RGB").crop((120, 90, 380, 290))).save(out, "JPEG", quality=90)
    return out.getvalue()


CORNERS = """(polygon) => {
  const edge = polygon.getBoundingClientRect(), picture = polygon.closest(".shot").querySelector("img");
  const box = picture.getBoundingClientRect();
  const scale = Math.min(box.width / picture.naturalWidth, box.height / picture.naturalHeight);
  const left = box.left + (box.width - scale * picture.naturalWidth) / 2;
  const top = box.top + (box.height - scale * picture.naturalHeight) / 2;
  const [width, height] = [scale * picture.naturalWidth, scale * picture.naturalHeight];
  return [(edge.left - left) / width, (edge.top - top) / height, edge.width / width, edge.height / height];
}"""


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_a_crop_is_outlined_in_its_hit_and_the_proof_opens(
    browser: "sync_api.Browser", url: str, mirrored_crop: bytes, width: int, scheme: str
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
    page = context.new_page()
    page.goto(url)
    page.set_input_files("#file", {"name": "cut.jpg", "mimeType": "image/jpeg", "buffer": mirrored_crop})
    hit = first_hit(page)
    assert hit.locator(".name").inner_text() == "coffee.png"
    assert hit.locator(".badge").all_inner_texts() == ["Part of it, 22\u00a0%", "Mirrored"]
    sync_api.expect(hit.locator("img")).to_have_js_property("complete", True)
    shares = hit.locator(".outline .edge").evaluate(CORNERS)  # of the thumbnail: where it was cut
    assert shares == pytest.approx([120 / 600, 90 / 400, 260 / 600, 200 / 400], abs=0.02)
    assert page.evaluate(STICKING_OUT) == []

    hit.get_by_role("button", name="Proof: where cut.jpg and coffee.png match").click()
    drawing = page.locator("#proof-image")
    sync_api.expect(drawing).to_be_visible(timeout=20_000)
    sync_api.expect(drawing).to_have_js_property("complete", True)
    natural = drawing.evaluate("(image) => [image.naturalWidth, image.naturalHeight]")
    assert natural[0] >= 700
    assert "Part of it, 22\u00a0%, mirrored; the pixels agree." in drawing.get_attribute("alt")
    assert page.locator("#proof-title").inner_text() == "cut.jpg in coffee.png"
    edge = drawing.bounding_box()
    assert edge is not None
    assert edge["x"] >= 0
    assert edge["x"] + edge["width"] <= width
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.keyboard.press("Escape")
    sync_api.expect(page.locator("#proof")).to_be_hidden()
    sync_api.expect(drawing).not_to_have_attribute("src", re.compile("."))  # told after it has closed
    context.close()


@pytest.fixture(scope="module")
def montage(shipped_photographs: Path) -> bytes:
    """The coffee on the left, the rocket on the right."""
    both = Image.new("RGB", (800, 300))
    for place, name in enumerate(("coffee.png", "rocket.jpg")):
        with Image.open(shipped_photographs / name) as image:
            both.paste(image.convert("RGB").resize((400, 300)), (400 * place, 0))
    out = io.BytesIO()
    both.save(out, "JPEG", quality=90)
    return out.getvalue()


def test_a_part_that_is_dragged_over_the_picture_is_asked_with(
    page: "sync_api.Page", url: str, montage: bytes
) -> None:
    names = page.locator("#hits .card .name")
    page.set_input_files("#file", {"name": "both.jpg", "mimeType": "image/jpeg", "buffer": montage})
    first_hit(page)
    assert set(names.all_inner_texts()) == {"coffee.png", "rocket.jpg"}
    assert page.locator("#preview-part").is_hidden()

    page.get_by_role("button", name="A part of it").click()
    frame = page.locator("#region-frame").bounding_box()
    assert frame is not None
    page.mouse.move(frame["x"] + frame["width"] * 0.99, frame["y"] + frame["height"] * 0.99)
    page.mouse.down()
    page.mouse.move(frame["x"] + frame["width"] * 0.52, frame["y"] + 2, steps=4)
    page.mouse.up()
    page.get_by_role("button", name="Search with this part").click()
    sync_api.expect(names).to_have_text(["rocket.jpg"])
    assert page.locator("#ask-title").inner_text() == "a part of both.jpg"
    box, shown = (page.locator(each).bounding_box() for each in ("#preview-part", "#preview-image"))
    assert box is not None
    assert shown is not None
    assert box["x"] - shown["x"] == pytest.approx(0.52 * shown["width"], abs=3)
    with page.expect_response(lambda answer: "/matches" in answer.url) as drawn:
        first_hit(page).get_by_role("button", name="Proof").click()
    assert "region=0.52" in drawn.value.url
    page.wait_for_selector("#proof-image:visible")
    page.locator("#proof button[value=close]").click()

    page.get_by_role("button", name="A part of it").click()
    part = page.locator("#region-box")
    for key, times in (("Shift+ArrowLeft", 9), ("ArrowLeft", 30), ("Shift+ArrowDown", 60), ("ArrowUp", 60)):
        for _ in range(times):
            part.press(key)
    assert part.get_attribute("aria-label", timeout=1000).startswith("The part: from 0 % across and 0 % down")
    part.press("Enter")
    sync_api.expect(names).to_have_text(["coffee.png"])
    page.get_by_role("button", name="A part of it").click()
    page.get_by_role("button", name="Search with all of it").click()
    sync_api.expect(page.locator("#ask-title")).to_have_text("both.jpg")
    sync_api.expect(names).to_have_count(2)

    page.goto(f"{url}?id=1&region=0.2,0.2,0.5,0.5")
    sync_api.expect(page.locator("#ask-title")).to_contain_text("a part of ")
    page.goto(f"{url}?id=1&region=0.9,0.2,0.5,nonsense")
    sync_api.expect(page.locator("#ask-title")).not_to_contain_text("a part of ")


def test_words_find_pictures_and_the_address_says_what_was_asked(page: "sync_api.Page", url: str) -> None:
    sync_api.expect(page.locator("#words-note")).to_contain_text("not people or actions")
    page.get_by_label("Words for what to find").fill("cat")
    page.keyboard.press("Enter")
    hit = first_hit(page)
    assert hit.locator(".name").inner_text() == "chelsea.png"
    assert hit.locator(".badge").count() == 0  # that it fits the words needs not be said of each
    assert page.locator("#tabs").is_hidden()
    assert "found for “cat”" in page.locator("#said").inner_text()
    assert page.url == f"{url}?text=cat"

    hit.get_by_role("button", name="Find similar").click()
    sync_api.expect(page.locator("#ask-title")).to_have_text("chelsea.png")
    assert page.locator("#words-note").is_hidden()  # what words cannot do is no matter of a picture alone
    page.get_by_label("Words for what to find").fill("a cup of coffee")
    page.get_by_label("without").fill("rocket")
    page.get_by_role("button", name="Search", exact=True).click()
    sync_api.expect(page.locator("#ask-title")).to_have_text(
        "chelsea.png and “a cup of coffee”, without “rocket”"
    )
    assert first_hit(page).locator(".name").inner_text() == "coffee.png"
    assert page.url.endswith("&text=a+cup+of+coffee&minus=rocket")

    page.go_back()
    page.go_back()
    sync_api.expect(page.locator("#ask-title")).to_have_text("“cat”")
    assert page.get_by_label("Words for what to find").input_value() == "cat"
    assert first_hit(page).locator(".name").inner_text() == "chelsea.png"


def test_a_link_of_words_is_answered_and_what_is_not_known_is_said(
    browser: "sync_api.Browser", url: str
) -> None:
    page = browser.new_page()
    page.goto(f"{url}?text=a+cat+%F0%9F%99%82&minus=coffee")
    assert first_hit(page).locator(".name").inner_text() == "chelsea.png"
    assert page.get_by_label("without").input_value() == "coffee"
    sync_api.expect(page.locator("#notice")).to_contain_text("not known to the text encoder")
    page.goto(f"{url}?text=%F0%9F%99%82")
    sync_api.expect(page.locator("#error")).to_contain_text("is known to the text encoder")
    assert page.locator("#results").is_hidden()
    page.goto(url)
    page.get_by_label("without").fill("snow")
    page.get_by_role("button", name="Search", exact=True).click()
    sync_api.expect(page.locator("#error")).to_contain_text("Say also what to look for")
    page.close()


def test_the_tab_of_look_alikes_leads_with_the_picture_itself(
    page: "sync_api.Page", turned_coffee: bytes
) -> None:
    page.set_input_files("#file", {"name": "c.jpg", "mimeType": "image/jpeg", "buffer": turned_coffee})
    first_hit(page)
    page.get_by_role("tab", name="Look alike").click()
    page.wait_for_selector("#tab-looks[aria-selected=true]")
    sync_api.expect(page.locator("#hits .card .name").first).to_have_text("coffee.png")
    assert "look" in first_hit(page).locator(".why").inner_text()


def test_without_its_model_words_say_so_and_pictures_are_found(
    browser: "sync_api.Browser", tmp_path: Path, shipped_photographs: Path, turned_coffee: bytes
) -> None:
    settings = Settings(
        library=tmp_path / "library",
        models=ModelSettings(folder=tmp_path / "models"),
        kinds={"image_text_features": {"model": "siglip2-b32-256"}},
    )
    with served(settings, [shipped_photographs / "coffee.png"]) as address:
        page = browser.new_page()
        page.goto(address)
        page.get_by_label("Words for what to find").fill("cat")
        page.keyboard.press("Enter")
        sync_api.expect(page.locator("#error")).to_contain_text("ambience models install siglip2-b32-256")
        page.set_input_files("#file", {"name": "c.jpg", "mimeType": "image/jpeg", "buffer": turned_coffee})
        assert first_hit(page).locator(".name").inner_text() == "coffee.png"
        assert page.locator("#error").is_hidden()
        sync_api.expect(page.locator("#notice")).to_contain_text("meaning: failed")
        page.close()


def test_a_proof_that_cannot_be_drawn_says_why(
    browser: "sync_api.Browser", url: str, mirrored_crop: bytes
) -> None:
    page = browser.new_page()
    page.goto(url)
    page.set_input_files("#file", {"name": "cut.jpg", "mimeType": "image/jpeg", "buffer": mirrored_crop})
    hit = first_hit(page)
    page.route("**/matches?**", lambda route: route.fulfill(status=404, json={"detail": "its file is gone"}))
    hit.get_by_role("button", name="Proof").click()
    sync_api.expect(page.locator("#proof-error")).to_have_text("its file is gone")
    assert page.locator("#proof-image").is_hidden()
    page.close()


def test_an_error_is_shown_in_words(browser: "sync_api.Browser", url: str) -> None:
    page = browser.new_page()
    page.goto(url)
    page.set_input_files("#file", {"name": "x.jpg", "mimeType": "image/jpeg", "buffer": b"no picture"})
    page.wait_for_selector("#error:not([hidden])")
    assert page.locator("#error").get_attribute("role") == "alert"
    assert len(page.locator("#error").inner_text()) > 20
    page.close()


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_nothing_sticks_out_sideways(
    browser: "sync_api.Browser", url: str, turned_coffee: bytes, width: int
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 844})
    page.goto(url)
    name = f"{'a long name of a holiday picture ' * 4}.jpg"
    page.set_input_files("#file", {"name": name, "mimeType": "image/jpeg", "buffer": turned_coffee})
    first_hit(page)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(STICKING_OUT) == []
    assert page.locator("#ask-title").evaluate("(title) => title.clientHeight") < 60
    assert page.locator(".top").evaluate("(top) => top.clientHeight") < 60
    page.close()


def test_the_documentation_needs_no_other_server(browser: "sync_api.Browser", url: str) -> None:
    page, asked = browser.new_page(), []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{url}docs")
    page.wait_for_selector(".opblock")
    assert page.locator(".opblock").count() > 15
    assert [each for each in asked if not each.startswith((url, "data:", "blob:"))] == []
    page.close()


def test_where_a_key_is_needed_the_page_asks_for_it_once(
    browser: "sync_api.Browser", tmp_path: Path, shipped_photographs: Path
) -> None:
    settings = Settings(library=tmp_path / "library", serve=ServeSettings(require_key=True))
    with library.open(settings=settings, writer=True) as opened:
        opened.add_image((shipped_photographs / "rocket.jpg").read_bytes(), name="rocket.jpg")
    keys = Keys(settings.library / "keys.json")
    _, token = keys.add("page", {Scope.READ}, now=datetime.now(UTC))
    with served(settings, []) as url:
        context = browser.new_context()
        page = context.new_page()
        page.goto(url)
        page.wait_for_selector("#login[open]")
        page.fill("#login-key", "amb_wrong")
        page.press("#login-key", "Enter")
        page.wait_for_selector("#login-error:visible")
        assert "not known" in page.inner_text("#login-error")
        page.fill("#login-key", token)
        page.press("#login-key", "Enter")
        page.wait_for_selector("#recent-grid .card img")
        deadline = time.monotonic() + 20
        while not page.evaluate("document.querySelector('#recent-grid img').naturalWidth"):
            assert time.monotonic() < deadline  # pictures are sent to the page as well
        assert not page.is_visible("#login")
        assert page.evaluate("document.cookie") == ""  # no script can read it
        page.reload()
        page.wait_for_selector("#recent-grid .card")
        keys.revoke("page")
        page.reload()
        page.wait_for_selector("#login[open]")
        assert "revoked" in page.inner_text("#login-error")
        context.close()


@pytest.fixture
def copies(tmp_path: Path, shipped_photographs: Path) -> Path:
    """Two photographs, three copies of one of them."""
    folder = tmp_path / "copies"
    folder.mkdir()
    for name in ("coffee.png", "rocket.jpg"):
        shutil.copy(shipped_photographs / name, folder)
    shutil.copy(folder / "coffee.png", folder / "again <b>.png")
    with Image.open(folder / "coffee.png") as opened:
        opened.convert("RGB").resize((300, 200)).save(folder / "half.jpg", quality=85)
        opened.convert("RGB").rotate(90, expand=True).save(folder / "turned.jpg", quality=85)
    return folder


def test_duplicates_are_put_away_and_come_back(
    browser: "sync_api.Browser", tmp_path: Path, copies: Path
) -> None:
    off = {"enabled": False}
    kinds = {"global_features": off, "image_text_features": off}
    settings = Settings(library=tmp_path / "library", kinds=kinds)
    with library.open(settings=settings, writer=True) as opened:
        opened.add_paths([copies])
        opened.find_duplicates()
    names = {each.name for each in copies.iterdir()}
    with served(settings, []) as url:
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        page, faults = context.new_page(), []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        page.goto(url)
        page.get_by_role("link", name="Duplicates").click()
        group = page.locator(".group")
        sync_api.expect(group.locator(".card")).to_have_count(4)
        assert page.inner_text("#summary") == "1 group"
        assert group.locator(".kept .badge").inner_text() == "Best"
        badges = group.locator(".badge").all_inner_texts()
        assert "Same file" in badges
        assert any(each.startswith("Rotated 90°") for each in badges)
        assert page.evaluate(STICKING_OUT) == []

        # One is told apart, and that is taken back.
        half = group.locator(".card", has_text="half.jpg")
        half.get_by_role("button", name="Not a duplicate").click()
        sync_api.expect(page.locator("#notice")).to_contain_text("half.jpg is no duplicate")
        sync_api.expect(group.locator(".card")).to_have_count(3)
        page.locator("#notice").get_by_role("button", name="Undo").click()
        sync_api.expect(group.locator(".card")).to_have_count(4)

        # Another one is kept, and one stays.
        again = group.locator(".card:not(.kept)", has_text="png")
        kept = again.locator(".name").inner_text()
        again.get_by_label("Keep").click()  # the cards are drawn anew: there is nothing left to be checked
        sync_api.expect(group.locator(".kept .name")).to_have_text(kept)
        half.get_by_label("Put away").click()
        group.get_by_role("button", name="Put 2 copies away").click()
        sync_api.expect(page.locator("#sure-yes")).to_be_visible()
        assert {each.name for each in copies.iterdir()} == names
        assert page.inner_text("#sure-title").startswith("Move 2 pictures (")
        page.click("#sure-yes")
        sync_api.expect(page.locator("#notice")).to_contain_text("2 pictures are in the trash now")
        left = {each.name for each in copies.iterdir()}
        assert left == {kept, "half.jpg", "rocket.jpg"}
        sync_api.expect(page.locator("#trash-list li")).to_have_count(2)

        page.locator("#trash-list").get_by_role("button", name="Bring back").first.click()
        sync_api.expect(page.locator("#notice")).to_contain_text("1 picture is back")
        page.get_by_role("button", name="Put away all").click()
        page.click("#sure-yes")
        page.locator("#notice").get_by_role("button", name="Undo").click()
        sync_api.expect(page.locator("#notice")).to_contain_text("2 pictures are back")
        page.locator("#trash-list").get_by_role("button", name="Bring back").click()
        sync_api.expect(page.locator("#trash")).to_be_hidden()
        assert {each.name for each in copies.iterdir()} == names

        # A file that changed stays, and the page says so.
        (copies / "half.jpg").write_bytes(b"changed")
        page.get_by_role("button", name="Put away all").click()
        sync_api.expect(page.locator("#sure-refused")).to_contain_text("half.jpg stays: its file was changed")
        page.get_by_role("button", name="Cancel").click()
        page.set_viewport_size({"width": 390, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert page.evaluate(STICKING_OUT) == []
        context.close()
        assert [each for each in faults if "400" not in each] == []
