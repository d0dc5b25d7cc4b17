"""A hundred names as they are written in their own script, and as they are asked in Latin letters.

Places, people, dishes and makers, by common English or official romanization; kana by Hepburn.
"""

_BY_SCRIPT = {
    "Cyrl": "Москва Moskva Иванов Ivanov Новосибирск Novosibirsk Толстой Tolstoy Екатерина Ekaterina "
    "Владивосток Vladivostok Чайковский Tchaikovsky Достоевский Dostoevsky Наталья Natalya Байкал Baikal "
    "Самара Samara Казань Kazan Николай Nikolai Пушкин Pushkin Одесса Odessa Волгоград Volgograd "
    "Светлана Svetlana",
    "Grek": "Αθήνα Athina Γιώργος Giorgos Θεσσαλονίκη Thessaloniki Κρήτη Kriti Παπαδόπουλος Papadopoulos "
    "Δημήτρης Dimitris Ελένη Eleni Νικόλαος Nikolaos Πάτρα Patra Κωνσταντίνος Konstantinos "
    "Αλέξανδρος Alexandros Σαντορίνη Santorini Ρόδος Rodos Κέρκυρα Kerkyra Μαρία Maria Σοφία Sofia "
    "Αναστασία Anastasia",
    "Deva": "दिल्ली Dilli मुंबई Mumbai कोलकाता Kolkata वाराणसी Varanasi "
    "जयपुर Jaipur नेपाल Nepal काठमांडू Kathmandu हिमालय Himalaya "
    "अमिताभ Amitabh लक्ष्मी Lakshmi कृष्ण Krishna सीता Sita "
    "गणेश Ganesh प्रिया Priya राजेश Rajesh आगरा Agra "
    "उदयपुर Udaipur",
    "Hang": "서울 Seoul 부산 Busan 대구 Daegu 인천 Incheon 광주 Gwangju 제주 Jeju 경주 Gyeongju "
    "평양 Pyongyang 수원 Suwon 김치 Kimchi 불고기 Bulgogi 비빔밥 Bibimbap 강남 Gangnam 명동 Myeongdong "
    "삼성 Samsung 태권도 Taekwondo 한글 Hangul",
    "Arab": "محمد Muhammad فاطمة Fatima بغداد Baghdad دمشق Dimashq بيروت Bayrut مراكش Marrakesh تونس Tunis "
    "عمان Amman خالد Khalid يوسف Yusuf إبراهيم Ibrahim مصطفى Mustafa حلب Halab الرياض Alriyadh "
    "طرابلس Tarabulus سمرقند Samarqand",
    "Kana": "とうきょう Tokyo さくら Sakura すし Sushi カメラ Kamera ラーメン Ramen ひろしま Hiroshima "
    "おおさか Osaka なごや Nagoya さっぽろ Sapporo よこはま Yokohama てんぷら Tempura トヨタ Toyota "
    "スズキ Suzuki ホンダ Honda ふじさん Fujisan わさび Wasabi",
}

NAMES = tuple(
    (script, written, asked)
    for script, row in _BY_SCRIPT.items()
    for written, asked in zip(row.split()[::2], row.split()[1::2], strict=True)
)
"""(script, as it is written, as it is asked)."""
