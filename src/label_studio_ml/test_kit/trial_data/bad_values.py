"""Values for the checks with bad data: empty, of another type, unreadable, very long, and texts of many scripts."""

import base64
from typing import Any

#: Values by the check that tries them and by their name in messages.
BAD_VALUES: dict[str, dict[str, Any]] = {
    "empty-data": {"empty": "", "blank": " \n"},
    "null-data": {"null": None},
    "wrong-type-data": {"number": 7, "list": ["x", 1], "object": {"a": None}, "truth value": True},
    "unreadable-file": {
        "no file": "http://127.0.0.1:9/none.bin",
        "broken file": "data:application/octet-stream;base64," + base64.b64encode(b"no content").decode(),
    },
    "huge-data": {"long text": "word " * 200_000},
}

#: Texts that break code which counts bytes instead of characters, or expects letters, by their name in messages.
HOSTILE_TEXTS: dict[str, str] = {
    "Arabic and Hebrew": "مرحبا بالعالم — שלום עולם",
    "Chinese and Japanese": "标注数据很重要。データにラベルを付ける。",
    "Thai": "ภาษาไทยไม่มีช่องว่าง",
    "emoji": "👩‍👩‍👧‍👦 likes 🇺🇦 and 👍🏽",
    "combining characters": "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘",
    "control characters": "a\x00b\x07c\x1bd\u200e\u2028e",
    "markup": "<script>alert(1)</script> & {{ braces }} %s %(x)s {0}",
    "digits and signs": "!!! 12 345,67 -- ???",
    "one character": "a",
    "lines": "one\r\ntwo\n\n\nthree\ttabs",
}

#: Object tags whose value is the address of a file.
FILE_TAGS = frozenset({"Image", "Audio", "AudioPlus", "Video", "Pdf"})
#: Object tags whose value is a text.
TEXT_TAGS = frozenset({"Text", "HyperText", "Markdown"})
