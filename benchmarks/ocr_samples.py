"""Pages rendered in the scripts of the world, from words of our own and the fonts of this machine."""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import RgbImage

SIZE = 1000, 460
PAGES = 4
LINES = 6
DARK, BRIGHT = (0, 90), (180, 255)
LONGEST = 940
"""Pixels of a line."""


@dataclass(frozen=True)
class Writing:
    """A script as it is rendered.

    Attributes:
        script: ISO 15924.
        language: of the words, as Tesseract names it.
        code: BCP 47.
        words: that lines are made of.
        gap: between them.
    """

    script: str
    language: str
    code: str
    words: str
    gap: str = " "


WRITINGS = (
    Writing("Latn", "eng", "en", "harbour window bridge seven evening letter market silver garden railway"),
    Writing("Latn", "deu", "de", "Straße Brücke schön Gärten Zwölf Fenster Übung Mädchen Größe Bücher fünf"),
    Writing("Cyrl", "rus", "ru", "город молоко вечер письмо дорога улица сегодня хлеб музыка площадь зима"),
    Writing("Cyrl", "srp", "sr", "време кућа љубав вечера прозор улица недеља ђак пријатељ сунце школа"),
    Writing("Grek", "ell", "el", "θάλασσα σπίτι δρόμος ημέρα βιβλίο νησί γέφυρα ουρανός σχολείο αγορά φίλος"),
    Writing("Deva", "hin", "hi", "पानी शहर किताब सड़क बाज़ार सुबह घर दोस्त समय भारत नदी फूल"),
    Writing("Taml", "tam", "ta", "தமிழ் வீடு நகரம் புத்தகம் காலை மழை பள்ளி நண்பர் கடல் மலர் சாலை"),
    Writing("Arab", "ara", "ar", "مدينة كتاب شارع صباح بيت مدرسة سوق بحر صديق ماء طريق"),
    Writing("Hang", "kor", "ko", "도시 바다 학교 아침 친구 시장 음악 겨울 편지 거리 나무 사람"),
    Writing("Hani", "chi_sim", "zh", "城市 学校 早上 朋友 市场 音乐 冬天 书信 街道 树木 大海", gap=""),
    Writing(
        "Jpan",
        "jpn",
        "ja",
        "東京 さくら 電車 ありがとう 図書館 カメラ 新聞 海岸 テレビ 大学",
        gap="",
    ),
    Writing("Hebr", "heb", "he", "שלום בית ספר רחוב בוקר עיר חבר ים שוק דרך"),
    Writing("Thai", "tha", "th", "เมือง โรงเรียน ตลาด เพื่อน ทะเล ถนน หนังสือ บ้าน"),
    Writing("Telu", "tel", "te", "నగరం పుస్తకం ఇల్లు బడి సముద్రం స్నేహితుడు ఉదయం"),
)


def fonts(writing: Writing) -> list[tuple[str, int]]:
    """Fonts of this machine that hold a script: plain faces, at most three, and their place in the file."""
    program = shutil.which("fc-list")
    if program is None:
        return []
    sample = "".join(sorted(set(writing.words) - {" "}))
    asked = f":charset={' '.join(f'{ord(sign):x}' for sign in sample if sign.isalpha())}:slant=0:weight=80"
    words = [program, asked, "--format", "%{file}\t%{index}\t%{family}\n"]
    listed = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split("\n")
    found: dict[str, tuple[str, int]] = {}
    for line in sorted(listed):
        file, _, rest = line.partition("\t")
        index, _, family = rest.partition("\t")
        if file.endswith((".ttf", ".otf", ".ttc")) and not _is_odd(family) and int(index) < 2**16:
            found.setdefault(file, (file, int(index)))
    faces = list(found.values())
    return faces[:: max(1, len(faces) // 3)][:3]


ODD = (
    "Mono",
    "Symbol",
    "Emoji",
    "Condensed",
    "Display",
    "Math",
    "UI",
    "Nastaliq",
    "Rashi",
    "Kufi",
    "Slanted",
)
"""In the names of fonts that no page of text is set in."""


def _is_odd(family: str) -> bool:
    return any(word in family for word in ODD)


@dataclass(frozen=True)
class Page:
    """A rendered page and what stands on it."""

    rgb: RgbImage
    text: str


def pages(writing: Writing, faces: Sequence[tuple[str, int]], seed: int, count: int = PAGES) -> list[Page]:
    """Pages of six lines, in sizes of 22 to 42 pixels, dark on bright or the reverse, turned by up to 2°.

    Each is blurred a little and gets noise, as a photograph of a page has.
    """
    random = np.random.default_rng([seed, *map(ord, writing.language)])
    return [_page(writing, faces[number % len(faces)], random) for number in range(count)]


def _page(writing: Writing, face: tuple[str, int], random: np.random.Generator) -> Page:
    import cv2
    from PIL import Image, ImageDraw, ImageFont

    colors = [tuple(int(value) for value in random.integers(*span, 3)) for span in (BRIGHT, DARK)]
    back, front = colors if random.random() < 0.7 else colors[::-1]
    picture = Image.new("RGB", SIZE, back)
    pen = ImageDraw.Draw(picture)
    top, lines = 24, []
    for _ in range(LINES):
        font = ImageFont.truetype(face[0], int(random.integers(22, 42)), index=face[1])
        line, wide = "", writing.gap
        for word in random.permutation(writing.words.split()):
            longer = f"{line}{wide if line else ''}{word}"
            if pen.textlength(longer, font=font) > LONGEST:
                break
            line = longer
        pen.text((30, top), line, font=font, fill=front)
        top += round(font.size * 1.75)
        lines.append(line)
        if top > SIZE[1] - 60:
            break
    pixels = np.asarray(picture)
    turn = cv2.getRotationMatrix2D((SIZE[0] / 2, SIZE[1] / 2), float(random.uniform(-2, 2)), 1.0)
    turned = cv2.warpAffine(pixels, turn, SIZE, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    blurred: NDArray[Any] = cv2.GaussianBlur(turned, (0, 0), float(random.uniform(0.3, 0.9)))
    noisy = blurred.astype(np.float32) + random.normal(0, 4, blurred.shape)
    return Page(np.clip(noisy, 0, 255).astype(np.uint8), "\n".join(lines))
