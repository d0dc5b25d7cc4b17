"""Words in pairs, made by rules and a seed: misspelt, spelled as they are heard, and names in two scripts.

None of them are those by which text search is reported: these lists fit and test the comparison of words
alone.
"""

import random
import re
from collections.abc import Sequence
from zlib import crc32

from rapidfuzz.distance import OSA

ALPHABET = "abcdefghijklmnopqrstuvwxyz"

RESPELLINGS = (
    ("ph", "f"), ("ck", "k"), ("c(?=[eiy])", "s"), ("qu", "kw"), ("tion", "shun"), ("igh", "i"),
    ("ight", "ite"), ("^kn", "n"), ("^wr", "r"), ("^wh", "w"), ("x", "ks"), ("ee", "ea"), ("ea", "ee"),
    ("oo", "u"), ("ai", "ay"), ("ay", "ai"), ("c(?=[aoulrt])", "k"), (r"([bdfglmnprst])\1", r"\1"),
    ("mb$", "m"), ("sc(?=[ei])", "s"), (r"(?<=[aeiou])([lmnprst])(?=[aeiou])", r"\1\1"), ("dge", "j"),
    ("g(?=[ei])", "j"), ("ous$", "us"), ("au", "aw"), ("ow", "ou"), ("er$", "ur"), ("or$", "er"),
    ("y$", "ey"), ("ough$", "uff"), ("ch(?=[rl])", "k"), ("sion$", "zhun"), ("cial$", "shal"),
    ("le$", "el"), ("el$", "le"), ("s$", "z"), ("ie", "ee"), ("ei", "ee"), ("gh(?=t)", ""),
    ("ture$", "cher"), ("^ps", "s"), ("k", "c"), ("j", "g"), ("z", "s"), ("v", "w"),
)  # fmt: skip
"""What people write for what they hear: a pattern of letters, and what takes its place, once a word."""

MOST_RESPELLINGS = 3

NAMES_TO_FIT = """
Moskva Москва; Petrov Петров; Ekaterina Екатерина; Sergey Сергей; Chekhov Чехов; Gorbachev Горбачёв
Yuri Юрий; Novosibirsk Новосибирск; Tchaikovsky Чайковский; Kiev Київ; Sofia София; Belgrade Београд
Khrushchev Хрущёв; Dostoevsky Достоевский; Giorgos Γιώργος; Athina Αθήνα; Thessaloniki Θεσσαλονίκη
Maria Μαρία; Papadopoulos Παπαδόπουλος; Kostas Κώστας; Evangelia Ευαγγελία; Christos Χρήστος
Sokratis Σωκράτης; Kriti Κρήτη; Delhi दिल्ली; Mumbai मुंबई; Bharat भारत; Gandhi गांधी; Krishna कृष्ण
Sharma शर्मा; Rajasthan राजस्थान; Lakshmi लक्ष्मी; Kolkata कोलकाता; Namaste नमस्ते; Ganesh गणेश
Seoul 서울; Busan 부산; Kimchi 김치; Samsung 삼성; Hyundai 현대; Pyongyang 평양; Jeju 제주
Gangnam 강남; Minho 민호; Taekwondo 태권도; Muhammad محمد; Ahmed أحمد; Baghdad بغداد; Fatima فاطمة
Hassan حسن; Omar عمر; Yusuf يوسف; Damascus دمشق; Riyadh الرياض; Khalid خالد; Ibrahim إبراهيم
Mahmoud محمود; sakura さくら; sakura サクラ; Toyota トヨタ; Sony ソニー; Kyoto きょうと
coffee コーヒー; Yamada やまだ; hotel ホテル; McDonalds マクドナルド; sushi すし; ramen ラーメン
London ロンドン; Yerushalayim ירושלים; David דוד; Haifa חיפה; shalom שלום; Tbilisi თბილისი
Yerevan Երևան; Chennai சென்னை; Dhaka ঢাকা; tokyo 東京; Beijing 北京; Shanghai 上海; Osaka 大阪
"""
"""Names as they are typed in Latin letters, and in their own script: the likeness was fitted on them."""

NAMES_HELD_OUT = """
Vladimir Владимир; Pushkin Пушкин; Natalya Наталья; Volgograd Волгоград; Shostakovich Шостакович
Minsk Минск; Yeltsin Ельцин; Aleksandr Александр; Vladivostok Владивосток; Zhukov Жуков
Samara Самара; Lviv Львів; Skopje Скопје; Irina Ирина; Tolstoy Толстой; Medvedev Медведев
Anastasia Анастасия; Rostov Ростов; Nikos Νίκος; Dimitris Δημήτρης; Patra Πάτρα; Eleni Ελένη
Ioannis Ιωάννης; Olympia Ολυμπία; Alexandros Αλέξανδρος; Rodos Ρόδος; Vasilis Βασίλης
Konstantinos Κωνσταντίνος; Angelos Άγγελος; Sparti Σπάρτη; Michalis Μιχάλης; Anastasia Αναστασία
Delphi Δελφοί; Ithaki Ιθάκη; Jaipur जयपुर; Varanasi वाराणसी; Ravi रवि; Sunita सुनीता
Himalaya हिमालय; Agra आगरा; Ganga गंगा; Vishnu विष्णु; Singh सिंह; Patel पटेल; Punjab पंजाब
Nagpur नागपुर; Arjun अर्जुन; Deepak दीपक; Lucknow लखनऊ; Nehru नेहरू; Incheon 인천; Daegu 대구
Daejeon 대전; Gwangju 광주; Jisoo 지수; Hangang 한강; Bulgogi 불고기; Bibimbap 비빔밥; Suwon 수원
Minji 민지; Hanbok 한복; Ulsan 울산; Gyeongju 경주; Namsan 남산; Chuseok 추석; Kia 기아; Ali علي
Mariam مريم; Abdullah عبدالله; Karim كريم; Beirut بيروت; Tripoli طرابلس; Samir سمير; Rashid رشيد
Dubai دبي; Cairo القاهرة; Salma سلمى; Nasser ناصر; Tunis تونس; Tehran تهران; Layla ليلى
Mustafa مصطفى; Tanaka たなか; Suzuki スズキ; Honda ホンダ; Nagoya なごや; tempura てんぷら
Nintendo ニンテンドー; taxi タクシー; Hiroshima ひろしま; Paris パリ; Canon キヤノン
karaoke カラオケ; Naruto ナルト; Fujisan ふじさん; America アメリカ; Pikachu ピカチュウ
Kawasaki カワサキ; Telaviv תלאביב; Moshe משה; Sarah שרה; Batumi ბათუმი; Gyumri Գյումրի
Madurai மதுரை; Guangzhou 广州; Chengdu 成都; Nagasaki 長崎; Sapporo 札幌; Phuket ภูเก็ต
Pattaya พัทยา
"""
"""Others, which it was not fitted on."""


def pairs_of(names: str) -> list[tuple[str, str]]:
    """Names of a list: as typed, as written."""
    return [
        (typed, written) for typed, written in (entry.split() for entry in re.split(r"[;\n]", names.strip()))
    ]


def half_of(words: Sequence[str], *, held_out: bool) -> list[str]:
    """Every word is in one half, by its checksum: what was fitted on never tests."""
    return [word for word in words if crc32(word.encode()) % 2 == held_out]


def misspelt(words: Sequence[str], errors: int, *, count: int, seed: int) -> list[tuple[str, str]]:
    """Words with typing errors: letters put in, left out, changed, exchanged, all equally often, anywhere.

    Returns:
        as typed, as meant; exactly so many errors apart.
    """
    rng = random.Random(seed)
    pairs: list[tuple[str, str]] = []
    while len(pairs) < count:
        word = typed = rng.choice(words)
        for _ in range(errors):
            typed = _with_error(typed, rng)
        if OSA.distance(typed, word) == errors:
            pairs.append((typed, word))
    return pairs


def _with_error(word: str, rng: random.Random) -> str:
    kind = rng.choice(("put in", "left out", "changed", "exchanged"))
    place = rng.randrange(len(word) - 1)
    if kind == "put in":
        return word[:place] + rng.choice(ALPHABET) + word[place:]
    if kind == "left out":
        return word[:place] + word[place + 1 :]
    if kind == "changed":
        return word[:place] + rng.choice(ALPHABET) + word[place + 1 :]
    return word[:place] + word[place + 1] + word[place] + word[place + 2 :]


def respelled(words: Sequence[str], *, count: int, seed: int) -> list[tuple[str, str]]:
    """Words as they are heard: one to three of `RESPELLINGS` applied to each.

    Returns:
        as typed, as meant.
    """
    rng = random.Random(seed)
    pairs: list[tuple[str, str]] = []
    while len(pairs) < count:
        word = typed = rng.choice(words)
        left = rng.randint(1, MOST_RESPELLINGS)
        for pattern, letters in rng.sample(RESPELLINGS, len(RESPELLINGS)):
            changed = re.sub(pattern, letters, typed, count=1)
            left -= changed != typed
            typed = changed
            if not left:
                break
        if typed != word:
            pairs.append((typed, word))
    return pairs
