"""The gallery's language model, with SmolLM2-135M as endpoint, labels the sentiment of Amazon reviews.

The sentences and their ratings by people are those of the paper on VADER (Hutto and Gilbert, 2014), which the source
archive of the package vaderSentiment 0.5 has (MIT licence).
"""

import io
import os
import random
import subprocess
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from ..backend import clean_environment
from ..processes import Program, free_port, wait_until
from ..regions_facts.labelling import Labelling
from ..studio import Json, Studio, chosen
from .chat_endpoint import REQUIREMENTS
from .conftest import MakeJourney
from .environments import environment, install_settings
from .journey import record

CONFIG = """<View><Text name="review" value="$text"/>
<Choices name="sentiment" toName="review" choice="single" showInline="true">
<Choice value="Positive"/><Choice value="Negative"/></Choices></View>"""
#: Sentences of each sentiment to annotate, and to measure with.
LABELLED, HELD_OUT = 6, 20
KEY = "sk-only-for-tests"


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[str]:
    """The address of a local endpoint with a real, small model."""
    python = environment("llm") / "bin" / "python"
    settings = clean_environment(install_settings(environment("llm")))
    install: list[str | Path] = [python, "-m", "pip", "install", "--no-deps", *REQUIREMENTS]
    subprocess.run(install, check=True, env=settings, timeout=600)
    port = free_port()
    script = Path(__file__).with_name("chat_endpoint.py")
    server = Program(
        [python, script, str(port)],
        cwd=tmp_path,
        env=clean_environment({}),
        log=tmp_path / "endpoint.log",
    )

    def is_ready() -> bool:
        assert server.running, server.output()
        try:
            return requests.get(f"http://127.0.0.1:{port}/health", timeout=30).status_code == 200
        except requests.ConnectionError:
            return False

    try:
        wait_until(is_ready, "the endpoint has loaded its model", 300.0)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.stop()


@pytest.mark.gallery
def test_labels_reviews(
    label_studio: Studio,
    journey: MakeJourney,
    page: Labelling,
    keep_picture: Callable[[Any, str], None],
    endpoint: str,
    tmp_path: Path,
) -> None:
    labelled, held_out = reviews(tmp_path)
    project = label_studio.create_project("Reviews", CONFIG)
    tasks = label_studio.import_tasks(project, [{"text": text} for text, _ in labelled + held_out])
    to_label, to_measure = tasks[: len(labelled)], tasks[len(labelled) :]

    llm = journey("llm", project)
    llm.init("--example", "llm")
    llm.start({"LLM_URL": endpoint, "LLM_API_KEY": KEY, "LLM_MAX_TOKENS": "30", "LLM_TIMEOUT": "170"})
    llm.connect("--no-prelabel")
    before = accuracy(retrieved(llm, to_measure), held_out)

    for task, (_, sentiment) in zip(to_label, labelled, strict=True):
        label_studio.annotate(task, choice_of(sentiment))
    llm.train()
    start = time.monotonic()
    predictions = retrieved(llm, to_measure)
    seconds = time.monotonic() - start
    after = accuracy(predictions, held_out)
    record(
        "llm",
        before=before,
        after=after,
        labelled=len(labelled),
        measured_on=len(held_out),
        measure="accuracy",
        tasks_per_second=round(len(held_out) / seconds, 2),
    )
    assert after >= before + 0.05
    assert after >= 0.65

    for task, prediction in list(predictions.items())[:20]:
        page.open_task(project, task, prediction["id"])
        page.shows(
            "() => ['Positive', 'Negative'].filter((name) => "
            "document.querySelector(`input[name=${name}]:checked`))",
            [chosen(prediction)],
        )
    keep_picture(page.page, "llm")
    assert " tokens; since this process started " in llm.log()
    assert files_with(KEY, llm.folder) == []


def retrieved(llm: Any, tasks: list[int]) -> dict[int, Json]:
    """Return the predictions of tasks, retrieved a few at a time: the endpoint is slow on a busy machine."""
    found: dict[int, Json] = {}
    for start in range(0, len(tasks), 5):
        found |= llm.predict(tasks[start : start + 5])
    return {task: found[task] for task in tasks}


def accuracy(predictions: dict[int, Json], rows: list[tuple[str, str]]) -> float:
    """Return the share of predictions that are those of the rows, in the order of both."""
    right = [chosen(one) == row[1] for one, row in zip(predictions.values(), rows, strict=True)]
    return round(sum(right) / len(right), 3)


def reviews(folder: Path) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return sentences to annotate and to measure with, as many positive as negative ones, in random order.

    People rated them from -4 to 4. Those that are clear (1.5 or more) and have 20 to 160 characters are taken.
    """
    download = ["pip", "download", "--quiet", "--no-deps", "vaderSentiment==0.5"]
    python = environment("llm") / "bin" / "python"
    subprocess.run([python, "-m", *download, "--dest", folder], check=True, env=os.environ, timeout=300)
    with zipfile.ZipFile(folder / "vaderSentiment-0.5.zip") as package:
        archive = package.read("vaderSentiment-0.5/additional_resources/hutto_ICWSM_2014.tar.gz")
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        file = files.extractfile("hutto_ICWSM_2014/amazonReviewSnippets_GroundTruth.txt")
        assert file is not None
        content = file.read().decode("latin-1")
    rows = []
    for line in content.splitlines():
        _, rating, text = line.split("\t", 2)
        if abs(float(rating)) >= 1.5 and 20 <= len(text) <= 160:
            rows.append((text, "Positive" if float(rating) > 0 else "Negative"))
    order = random.Random(0)
    order.shuffle(rows)
    labelled, held_out = [], []
    for sentiment in ("Positive", "Negative"):
        of_sentiment = [row for row in rows if row[1] == sentiment]
        held_out += of_sentiment[:HELD_OUT]
        labelled += of_sentiment[HELD_OUT : HELD_OUT + LABELLED]
    order.shuffle(held_out)
    return labelled, held_out


def files_with(secret: str, folder: Path) -> list[Path]:
    """Return the files below a folder that contain a secret."""
    return [path for path in folder.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]


def choice_of(sentiment: str) -> list[dict[str, Any]]:
    return [
        {"from_name": "sentiment", "to_name": "review", "type": "choices", "value": {"choices": [sentiment]}}
    ]
