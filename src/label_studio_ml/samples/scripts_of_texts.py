"""Sentences in several scripts, with what makes positions in texts hard: see `SCRIPTS`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Script:
    """Sentences of one language or kind. `joint` stands between two of them; `names` are those of speakers."""

    name: str
    sentences: tuple[str, ...]
    joint: str = " "
    names: tuple[str, str] = ("Alice", "Bob")
    is_right_to_left: bool = False


#: In the order of tasks: the first task is plain English.
SCRIPTS = (
    Script(
        "English",
        (
            "Maria Lopez joined Northwind Foods in Berlin on 3 May 2021.",
            "The delivery arrived two days late, and nobody answered the phone.",
            "I love how quiet the new washing machine is!",
            "Could you book a table for four at 7:30 pm, please?",
            "The museum near the river reopens next Tuesday after a long renovation.",
            "Our flight from Lisbon to Oslo was cancelled because of heavy snow.",
            "The company paid $1,250.50 for 12 chairs and 3 desks.",
            "Dr. Smith's report (page 14) doesn't mention the second test.",
        ),
    ),
    Script(
        "Latin with accents",
        (
            "Jürgen Müller wohnt seit März in der Königstraße 5 in Düsseldorf.",
            "L'hôtel près de la gare coûte 89 € la nuit, petit déjeuner compris.",
            "El señor Núñez llegó tarde a la reunión de mañana.",
            "Kraków leży nad Wisłą i ma prawie 800 tysięcy mieszkańców.",
            "Đà Nẵng là một thành phố biển ở miền Trung Việt Nam.",
            "İstanbul'da hava bugün çok güzel, ağaçlar çiçek açtı.",
        ),
        names=("Zoë", "François"),
    ),
    Script(
        "Cyrillic and Greek",
        (
            "Анна Петрова переехала из Москвы в Казань в 2019 году.",
            "Доставка опоздала на два дня, но курьер был вежливым.",
            "Чи можете ви забронювати столик на сьомий вечір?",
            "Το μουσείο κοντά στο λιμάνι ανοίγει ξανά την Τρίτη.",
            "Мне очень нравится этот телефон: батарея держится долго!",
        ),
        names=("Анна", "Γιώργος"),
    ),
    Script(
        "Arabic and Hebrew",
        (
            "وصلت سارة إلى القاهرة يوم الأحد الماضي.",
            "الخدمة ممتازة لكن السعر مرتفع: 250 ريالا.",
            "דנה עובדת בחברת ABC בתל אביב מאז 2015.",
            "שָׁלוֹם, מה שלומך היום?",
            "هل يمكنك حجز طاولة لأربعة أشخاص؟",
        ),
        names=("سارة", "דן"),
        is_right_to_left=True,
    ),
    Script(
        "Chinese, Japanese, Korean",
        (
            "王小明去年三月从上海搬到了北京。",
            "新しい洗濯機はとても静かで気に入っています。",
            "배송이 이틀 늦었지만 상담원은 친절했습니다.",
            "博物馆下周二重新开放,门票五十元。",
            "田中さんは東京駅の近くで働いています。",
            "𠮷野家で昼ごはんを食べました。",
        ),
        joint="",
        names=("小明", "田中"),
    ),
    Script(
        "Devanagari and Thai",
        (
            "अनिल शर्मा दिल्ली में एक स्कूल में पढ़ाते हैं।",
            "मुझे यह फ़ोन बहुत पसंद आया, बैटरी अच्छी है।",
            "พิพิธภัณฑ์ใกล้แม่น้ำจะเปิดอีกครั้งในวันอังคาร",
            "क्या आप चार लोगों के लिए मेज़ बुक कर सकते हैं?",
        ),
        names=("अनिल", "สมชาย"),
    ),
    Script(
        "emoji",
        (
            "Best pizza ever 🍕🍕🍕 thanks @tony!",
            "The family 👨\u200d👩\u200d👧\u200d👦 went to 🇯🇵 last summer ☀️",
            "Refund?? 😡 Two weeks and nothing… #fail",
            "Great team 👩🏽\u200d💻👍🏿, see you at 9️⃣!",
            "I 💙 this song 🎶 so much",
        ),
        names=("anna_92", "🐼 panda"),
    ),
    Script(
        "combining marks",
        (
            "The cafe\u0301 on Zu\u0308richstrasse serves cre\u0300me bru\u0302le\u0301e.",
            "A\u030angstro\u0308m measured 4.5\u00a0nm, not 4.5\u202fµm.",
            "Z\u0335a\u0334l\u0336g\u0337o text breaks many tools.",
            "Nai\u0308ve resume\u0301s are soft\u00adhyphen\u00adated.",
        ),
    ),
    Script(
        "lines",
        (
            "Subject: Order 20431",
            "Dear Sir or Madam,",
            "  - two lamps (white)\n  - one table",
            "Total:\t149.00 EUR",
            "Kind regards\nJane Doe",
        ),
        joint="\n\n",
    ),
    Script(
        "lines of Windows, with markup",
        (
            'if (a < b && b > c) return "yes";',
            "Tom & Jerry wrote <b>nothing</b> here.",
            "C:\\temp\\report.txt is 5 KB.",
            "50% of users said: 'no'.",
        ),
        joint="\r\n",
    ),
)


def script_of(number: int) -> Script:
    """Return the script of task `number`, from 0."""
    return SCRIPTS[number % len(SCRIPTS)]
