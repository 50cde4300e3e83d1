"""The gallery's spaCy model marks entities in descriptions of Debian packages, and learns a label: names of packages.

The texts are those of the packages installed here. A name is one if a package of that name is installed or mentioned as
a dependency, and if it has a hyphen or a digit, so that it is no English word. Whether the training unlearns what the
weights know is measured with the example sentences of the package spacy, whose entities are below.
"""

import json
import random
import re
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from ..regions_facts.labelling import Labelling
from ..studio import Json, Studio
from .conftest import MakeJourney
from .environments import environment
from .journey import record

STATUS = Path("/var/lib/dpkg/status")
KNOWN = ("Person", "Organization", "Location")
CONFIG = f"""<View><Labels name="entity" toName="text">
{"".join(f'<Label value="{name}"/>' for name in (*KNOWN, "Package"))}
</Labels><Text name="text" value="$text"/></View>"""
#: Texts with names of packages to annotate; texts without, to annotate and to measure with.
NAMED, UNNAMED, UNNAMED_HELD_OUT = 50, 20, 60

#: What a reader marks in the example sentences of the package spacy.
IN_SENTENCES = {
    "Apple": "Organization",
    "U.K.": "Location",
    "San Francisco": "Location",
    "London": "Location",
    "the United Kingdom": "Location",
    "France": "Location",
    "the United States": "Location",
    "Barack Obama": "Person",
}

#: A text and the first and last offset of each name of a package in it.
Row = tuple[str, list[tuple[int, int]]]
Span = tuple[int, int, str]

_NAME = re.compile(r"(?<![\w+./-])[a-z0-9][a-z0-9+.-]*[a-z0-9+](?![\w+/-])")
_RELATIONS = (
    "Depends",
    "Pre-Depends",
    "Recommends",
    "Suggests",
    "Provides",
    "Breaks",
    "Replaces",
    "Conflicts",
)


@pytest.mark.gallery
@pytest.mark.skipif(not STATUS.is_file(), reason="the texts are the descriptions of Debian packages")
def test_learns_names_of_packages(
    label_studio: Studio, journey: MakeJourney, page: Labelling, keep_picture: Callable[[Any, str], None]
) -> None:
    labelled, held_out = rows()
    sentences = example_sentences(environment("spacy"))
    project = label_studio.create_project("Descriptions", CONFIG)
    texts = [text for text, _ in labelled + held_out] + sentences
    tasks = label_studio.import_tasks(project, [{"text": text} for text in texts])
    to_label, to_measure = tasks[: len(labelled)], tasks[len(labelled) :]
    for task, (_, names) in zip(to_label, labelled, strict=True):
        label_studio.annotate(task, [region(*offsets) for offsets in names])

    entities = journey("named-entities", project, venv="spacy")
    entities.init("--example", "named-entities")
    entities.start()
    entities.connect("--no-prelabel")
    start = time.monotonic()
    before = spans(entities.predict(to_measure), to_measure)
    seconds = time.monotonic() - start
    entities.train(900.0)
    predictions = entities.predict(to_measure)
    after = spans(predictions, to_measure)

    count = len(held_out)
    truth = [{(start, end, "Package") for start, end in names} for _, names in held_out]
    scores = [f1(of(found[:count], ["Package"]), truth) for found in (before, after)]
    known = [f1(found[count:], [marked(text) for text in sentences]) for found in (before, after)]
    kept = f1(of(after[:count], KNOWN), of(before[:count], KNOWN))
    record(
        "named-entities",
        before=scores[0],
        after=scores[1],
        labelled=len(labelled),
        measured_on=count,
        measure="F1 of a new label",
        tasks_per_second=round(len(to_measure) / seconds, 1),
    )
    print(
        f"F1 of known labels in sentences before and after: {known}; the same spans in descriptions: {kept}"
    )
    assert scores[0] == 0
    assert scores[1] >= 0.4
    assert known[0] >= 0.9
    assert known[1] >= 0.7  # 0.8 to 1, as the descriptions that it learns differ from machine to machine

    for task, found in list(zip(to_measure, after, strict=True))[:20]:
        page.open_task(project, task, predictions[task]["id"])
        drawn = sorted(label for each in page.regions() for label in each["labels"])
        assert drawn == sorted(label for _, _, label in found)
    with_both = max(
        zip(to_measure, after, strict=True), key=lambda pair: len({label for *_, label in pair[1]})
    )
    page.open_task(project, with_both[0], predictions[with_both[0]]["id"])
    keep_picture(page.page, "named-entities")


def rows() -> tuple[list[Row], list[Row]]:
    """Return texts to annotate, and to measure with. No name in these is in an annotated text."""
    descriptions, packages = read_status(STATUS.read_text(encoding="utf-8"))
    found: list[Row] = [
        (text, [match.span() for match in _NAME.finditer(text) if match.group() in packages])
        for text in descriptions
    ]
    order = random.Random(0)
    order.shuffle(found)
    named, unnamed = [row for row in found if row[1]], [row for row in found if not row[1]]
    labelled = named[:NAMED] + unnamed[:UNNAMED]
    seen = {name for row in labelled for name in names_in(row)}
    held_out = [row for row in named[NAMED:] if not seen.intersection(names_in(row))]
    assert len(held_out) >= 20, "too few packages are installed here"
    return labelled, held_out + unnamed[UNNAMED : UNNAMED + UNNAMED_HELD_OUT]


def read_status(content: str) -> tuple[list[str], set[str]]:
    """Return the paragraphs of all descriptions, from 40 to 500 characters, and the names with a hyphen or digit."""
    texts: dict[str, None] = {}
    names: set[str] = set()
    for block in content.split("\n\n"):
        for field in re.findall(r"^[\w-]+:.*(?:\n .*)*", block, flags=re.MULTILINE):
            key, _, value = field.partition(": ")
            if key == "Package":
                names.add(value)
            elif key in _RELATIONS:
                names.update(re.findall(r"(?:^|[,|]\s*)([a-z0-9][a-z0-9+.-]+)", value))
            elif key == "Description":
                _, _, body = value.partition("\n")
                for paragraph in re.split(r"\n \.\n", body):
                    text = " ".join(paragraph.split())
                    if 40 <= len(text) <= 500:
                        texts[text] = None
    return list(texts), {name for name in names if re.search(r"[-0-9]", name)}


def example_sentences(venv: Path) -> list[str]:
    """Return the English example sentences of the package spacy, installed in the environment `venv`."""
    code = "import json; from spacy.lang.en.examples import sentences; print(json.dumps(sentences))"
    subprocess.run(
        [venv / "bin" / "python", "-m", "pip", "install", "--quiet", "spacy>=3.7.5,<3.9"], check=True
    )
    done = subprocess.run([venv / "bin" / "python", "-c", code], check=True, capture_output=True)
    return [str(sentence) for sentence in json.loads(done.stdout)]


def marked(sentence: str) -> set[Span]:
    """Return what a reader marks in an example sentence."""
    return {
        (sentence.index(quote), sentence.index(quote) + len(quote), label)
        for quote, label in IN_SENTENCES.items()
        if quote in sentence
    }


def names_in(row: Row) -> set[str]:
    return {row[0][start:end] for start, end in row[1]}


def region(start: int, end: int) -> Json:
    value = {"start": start, "end": end, "labels": ["Package"]}
    return {"from_name": "entity", "to_name": "text", "type": "labels", "value": value}


def spans(predictions: dict[int, Json], tasks: list[int]) -> list[set[Span]]:
    """Return the spans of the prediction of each task, with their labels."""
    return [
        {(item["value"]["start"], item["value"]["end"], item["value"]["labels"][0]) for item in one["result"]}
        for one in (predictions[task] for task in tasks)
    ]


def of(several: list[set[Span]], labels: Iterable[str]) -> list[set[Span]]:
    """Return the spans with one of the labels."""
    return [{span for span in each if span[2] in labels} for each in several]


def f1(found: list[set[Span]], truth: list[set[Span]]) -> float:
    """Return the F1 of spans, of all texts together; a span counts if both offsets and the label are right."""
    right = sum(len(a & b) for a, b in zip(found, truth, strict=True))
    return round(2 * right / max(1, sum(map(len, found)) + sum(map(len, truth))), 3)
