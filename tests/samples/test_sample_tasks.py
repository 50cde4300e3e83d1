"""Tasks for label configs: which fields they have, of which types, and that a seed decides everything."""

import base64
import csv
import io
import json
import re
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from label_studio_ml import samples
from label_studio_ml.controls.object_tag import field_value
from label_studio_ml.errors import LabelConfigError
from label_studio_ml.studio.addresses.references import Kind, data_content, find_reference


def first(config: str, **options: Any) -> dict[str, Any]:
    """Return the data of the first task for tags within a view."""
    (task,) = samples.tasks(f"<View>{config}</View>", 1, **options)
    data = task["data"]
    assert isinstance(data, dict)
    return data


def content(address: str) -> bytes:
    """Return what a data URL has in it, as `get_local_path` reads it."""
    reference = find_reference(address)
    assert reference is not None
    assert reference.kind is Kind.DATA
    return data_content(address)


def test_tasks_have_ids_and_data() -> None:
    tasks = samples.tasks('<View><Text name="t" value="$text"/></View>')
    assert [task["id"] for task in tasks] == list(range(1, 11))
    assert all(task.keys() == {"id", "data"} and task["data"].keys() == {"text"} for task in tasks)
    assert len({task["data"]["text"] for task in tasks}) == 10
    assert all(isinstance(task["data"]["text"], str) for task in tasks)


ALL_KINDS = """<View><Image name="i" value="$image"/><Audio name="a" value="$audio"/><Text name="t" value="$text"/>
    <Video name="v" value="$video"/><TimeSeries name="s" value="$csv"><Channel column="x"/></TimeSeries>
    <Pdf name="p" value="$pdf"/><HyperText name="h" value="$html"/><Table name="b" value="$table"/>
    <Paragraphs name="d" value="$dialogue"/><Chat name="c" value="$chat"/><List name="l" value="$items"/></View>"""


def test_a_seed_and_a_number_decide_a_task() -> None:
    tasks = samples.tasks(ALL_KINDS, 3, seed=7)
    assert tasks == samples.tasks(ALL_KINDS, 5, seed=7)[:3]
    others = samples.tasks(ALL_KINDS, 3, seed=8)
    assert [name for name in tasks[0]["data"] if tasks[0]["data"][name] == others[0]["data"][name]] == []
    assert [name for name in tasks[0]["data"] if tasks[0]["data"][name] == tasks[1]["data"][name]] == []


def test_another_process_makes_the_same_tasks() -> None:
    """Not only `hash` of texts differs between processes, but also what files may record, such as random numbers."""
    code = "import sys, json; from label_studio_ml import samples; print(json.dumps(samples.tasks(sys.argv[1], 2)))"
    run = subprocess.run([sys.executable, "-c", code, ALL_KINDS], capture_output=True, text=True, check=True)
    assert json.loads(run.stdout) == samples.tasks(ALL_KINDS, 2)


def test_nothing_heavy_is_imported_for_texts() -> None:
    code = """
import sys
from label_studio_ml import samples
samples.tasks('<View><Text name="t" value="$t"/><Audio name="a" value="$a"/><Pdf name="p" value="$p"/></View>', 3)
print([name for name in ("PIL", "numpy", "pandas", "cv2", "label_studio_sdk", "requests") if name in sys.modules])"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_texts_are_of_many_scripts() -> None:
    tasks = samples.tasks('<View><Text name="t" value="$text"/></View>', 50)
    texts = [task["data"]["text"] for task in tasks]
    joined = "".join(texts)
    scripts = {unicodedata.name(letter, "").split(" ")[0] for letter in joined if letter.isalpha()}
    assert {"LATIN", "CYRILLIC", "GREEK", "ARABIC", "HEBREW", "CJK", "HIRAGANA", "HANGUL", "THAI"} <= scripts
    assert "DEVANAGARI" in scripts
    assert texts[0].isascii()
    assert any(unicodedata.combining(letter) for letter in joined)
    assert any(ord(letter) > 0xFFFF for letter in joined)
    assert all(line_end in joined for line_end in ("\n\n", "\r\n", "\t"))


#: Tags, and what a task for them must be like.
CASES: list[tuple[str, Any]] = [
    ('<Header value="$title"/>', {"title": str}),
    ("<Header>Title: $title.</Header>", {"title": str}),
    ('<Text name="t" value="Question: $q ($kind)"/>', {"q": str, "kind": str}),
    (
        '<HyperText name="h"><b>$bold</b><img src="$picture"/></HyperText>',
        {"bold": str, "picture": "data:image/png"},
    ),
    ('<Markdown value="$md"/>', {"md": str}),
    ('<Image name="i" valueList="$pages"/>', {"pages": ["data:image/png"]}),
    ('<AudioPlus name="a" value="$sound"/>', {"sound": "data:audio/wav"}),
    ('<Video name="v" value="$v" frameRate="$fps"/>', {"v": "data:video/webm", "fps": int}),
    ('<Pdf name="p" value="$pdf"/>', {"pdf": "data:application/pdf"}),
    ('<Paragraphs name="p" value="$d" nameKey="who" textKey="said"/>', {"d": [{"who": str, "said": str}]}),
    ('<Paragraphs name="p" value="$d" valueType="url"/>', {"d": "data:application/json"}),
    (
        '<Paragraphs name="p" value="$d" audioUrl="$sound" contextScroll="true"/>',
        {"d": [{"author": str, "text": str, "start": float, "end": float}], "sound": "data:audio/wav"},
    ),
    ('<Dialog value="$d"/>', {"d": [{"name": str, "text": str}]}),
    (
        '<Chat name="c" value="$c" maxMessages="$max"/>',
        {"c": [{"role": str, "content": str, "createdAt": int}], "max": int},
    ),
    ('<Table name="t" value="$row"/>', {"row": {"Card number": int, "First name": str}}),
    ('<Table name="t" value="$rows" valueType="csv|headless"/>', {"rows": str}),
    ('<Table name="t" value="$rows" valueType="csv|url|separator=;"/>', {"rows": "data:text/csv"}),
    ('<List name="l" value="$items"/><Ranker name="r" toName="l"/>', {"items": [{"id": str, "body": str}]}),
    ('<List name="l" value="$images"/>', {"images": [{"id": str, "html": '<img src="data:image/png'}]}),
    ('<Choices name="c" toName="c" value="$o"/>', {"o": [{"value": str}]}),
    ('<Choices name="c" toName="c" value="$o" allowNested="true"/>', {"o": [{"children": [{"value": str}]}]}),
    ('<Taxonomy name="c" toName="c" value="$o"/>', {"o": [{"children": [{"children": [{"value": str}]}]}]}),
    ('<Taxonomy name="c" toName="c" apiUrl="$o"/>', {"o": "data:application/json"}),
    ('<BrushLabels name="c" toName="c" value="$o"/>', {"o": [{"value": str, "background": str}]}),
    ('<View><Label value="$name"/></View>', {"name": str}),
    ('<Text name="t" value="$a.b[1].c"/>', {"a": {"b": [{"c": str}, {"c": str}]}}),
    (
        '<Table name="t" value="$a"/><Text name="u" value="$a.note"/>',
        {"a": {"Card number": int, "note": str}},
    ),
    (
        '<Repeater on="$images"><Image name="i_{{idx}}" value="$images[{{idx}}].url"/></Repeater>',
        {"images": [{"url": "data:image/png"}]},
    ),
    (
        '<Repeater on="$texts" indexFlag="[[n]]"><Text name="t" value="$t"/></Repeater>',
        {"texts": [str], "t": str},
    ),
    (
        """<Repeater on="$d" indexFlag="{{i}}"><Repeater on="$d[{{i}}].pages" indexFlag="{{j}}">
        <Text name="t{{i}}_{{j}}" value="$d[{{i}}].pages[{{j}}].text"/></Repeater></Repeater>""",
        {"d": [{"pages": [{"text": str}]}]},
    ),
    (
        '<Repeater on="$n"><Text name="t{{idx}}" value="$text_{{idx}}"/></Repeater>',
        {"n": [str], "text_0": str, "text_1": str, "text_2": str},
    ),
    ('<Text name="t" value="$x"/><Image name="i" value="$x"/>', {"x": "data:image/png"}),
    ('<Style>.a { width: $b }</Style><Text name="t" value="fixed" style="$c"/>', {}),
    ('<TextArea name="a" toName="t" value="$before" placeholder="$5"/>', {"before": str}),
]


@pytest.mark.parametrize(("config", "shape"), CASES)
def test_the_values_are_what_the_tags_show(config: str, shape: dict[str, Any]) -> None:
    data = first(config)
    assert data.keys() == shape.keys()
    _check(data, shape)


def _check(value: Any, shape: Any) -> None:
    """Check a value: `shape` is a type, the beginning of a text, or a dict or list of shapes."""
    match shape:
        case type():
            assert type(value) is shape
        case str():
            assert value.startswith(shape)
        case dict():
            for key, part in shape.items():
                _check(value[key], part)
        case [*parts]:
            assert type(value) is list
            assert len(value) > 1
            for entry in value:
                _check(entry, parts[0])


NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)


@given(st.lists(st.tuples(NAMES, st.one_of(st.none(), st.integers(0, 2))), min_size=1, max_size=3))
@settings(max_examples=50, deadline=None)
def test_a_path_leads_to_a_value(steps: list[tuple[str, int | None]]) -> None:
    path = ".".join(name if index is None else f"{name}[{index}]" for name, index in steps)
    value = field_value(first(f'<Text name="t" value="${path}"/>'), path)
    assert isinstance(value, str)
    assert value


@pytest.mark.parametrize("encoding", ["base64", "base64unicode"])
def test_encoded_texts(encoding: str) -> None:
    config = f'<View><Text name="t" value="$t" encoding="{encoding}"/></View>'
    texts = [base64.b64decode(task["data"]["t"], validate=True) for task in samples.tasks(config, 4)]
    assert all(text.decode() for text in texts)
    assert all(text.isascii() for text in texts) == (encoding == "base64")


def test_texts_as_files_and_in_csv() -> None:
    assert content(first('<Text name="t" value="$t" valueType="url"/>')["t"]).decode().strip()
    assert b"<h2>" in content(first('<HyperText name="h" value="$h" valueType="url"/>')["h"])
    table = content(
        first('<HyperText name="h" value="$h" resolver="csv|column=page|separator=;"/>')["h"]
    ).decode()
    (row,) = csv.DictReader(io.StringIO(table), delimiter=";")
    assert row["page"].startswith("<div>")


def test_html_has_entities_tags_and_right_to_left_text() -> None:
    pages = [task["data"]["h"] for task in samples.tasks('<View><HyperText name="h" value="$h"/></View>', 10)]
    assert all("&amp;" in page and "<br/>" in page for page in pages)
    assert [number for number, page in enumerate(pages) if 'dir="rtl"' in page] == [3]
    assert "&lt;b&gt;" in pages[9] or "&amp;" in pages[9]


def test_a_label_config_without_fields() -> None:
    assert samples.tasks("<View/>", 1) == [{"id": 1, "data": {}}]
    assert samples.tasks("", 1) == [{"id": 1, "data": {}}]


@pytest.mark.parametrize(
    "config",
    [
        "<View>",
        '<!DOCTYPE a [<!ENTITY b "c">]><View/>',
        '<View><Text name="t" value="$a[999999999]"/></View>',
        f'<View><Text name="t" value="${"a." * 100}b"/></View>',
        "<a>" * 1000 + "</a>" * 1000,
    ],
)
def test_label_configs_that_are_refused(config: str) -> None:
    with pytest.raises(LabelConfigError):
        samples.tasks(config, 1)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"n": 0}, "n"),
        ({"n": "3"}, "n"),
        ({"seed": 1.5}, "seed"),
        ({"seed": None}, "seed"),
        ({"files": ""}, "files"),
    ],
)
def test_wrong_arguments_are_named(options: dict[str, Any], name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be"):
        samples.tasks("<View/>", **options)


def test_files_in_a_folder(tmp_path: Path) -> None:
    from label_studio_ml.studio.addresses.local_files import file_below

    folder = tmp_path / "root" / "sample files"
    tasks = samples.tasks(ALL_KINDS, 2, files=folder)
    assert tasks == samples.tasks(ALL_KINDS, 2, files=str(folder), document_root=tmp_path / "root")
    addresses = [task["data"][name] for task in tasks for name in ("image", "audio", "video", "csv", "pdf")]
    assert len(set(addresses)) == 10 == len(list(folder.iterdir()))
    in_tasks = samples.tasks(ALL_KINDS, 2)
    for task, same in zip(tasks, in_tasks, strict=True):
        for name in ("image", "audio", "video", "csv", "pdf"):
            reference = find_reference(task["data"][name])
            assert reference is not None
            assert reference.kind is Kind.LOCAL
            path = file_below(tmp_path / "root", reference.name)
            assert path is not None
            assert re.fullmatch(rf"task-000[12]-{name}\.\w+", path.name)
            assert path.read_bytes() == content(same["data"][name])


def test_files_of_equal_or_odd_names_do_not_overwrite_one_another(tmp_path: Path) -> None:
    config = (
        f'<Image name="i" value="$a.b"/><Image name="j" value="$a_b"/><Image name="k" value="${"é" * 300}"/>'
    )
    data = first(
        f'{config}<Image name="l" value="$a-b"/><Image name="m" valueList="$a"/>', files=tmp_path / "files"
    )
    assert len(list((tmp_path / "files").iterdir())) >= 4
    assert data["a"]["b"] != data["a_b"]


def test_a_folder_that_label_studio_would_not_serve(tmp_path: Path) -> None:
    for root in (tmp_path / "files", tmp_path / "elsewhere"):
        with pytest.raises(ValueError, match=r"^files must be a folder below document_root"):
            samples.tasks("<View/>", 1, files=tmp_path / "files", document_root=root)


@pytest.mark.parametrize(
    "field",
    [
        "$a[100][100][100]",
        "$a" + "[100]" * 25,
        "$image" + "".join(f"_{{{{v{number}}}}}" for number in range(12)),
        "$a" + "".join(f"[{{{{v{number}}}}}].b" for number in range(12)),
    ],
)
def test_lists_within_lists_are_limited(field: str) -> None:
    variables = "".join(f'<Repeater on="$list" indexFlag="{{{{v{number}}}}}"/>' for number in range(12))
    with pytest.raises(LabelConfigError, match="shows more than 20000 values of a task"):
        first(f'{variables}<Text name="t" value="{field}"/>')
