"""The gallery's ranker of passages, with an encoder that counts words in place of the language model."""

import sys
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml.errors import LabelConfigError
from label_studio_ml.gallery.catalogue import model_named
from label_studio_ml.training.dataset import LabelledTasks

from .model_file import model_class
from .word_counts import WordCounts

Json = dict[str, Any]
LIST = '<View><Text name="q" value="$query"/><List name="items" value="$items"/>{}</View>'
RANKER = LIST.format('<Ranker name="rank" toName="items"/>')
BUCKETS = LIST.format(
    '<Ranker name="rank" toName="items"><Bucket name="not_relevant"/><Bucket name="relevant"/></Ranker>'
)
#: Label Studio's template Document Retrieval.
RETRIEVAL = """<View><Text name="q" value="$query"/><Text name="a" value="$a"/><Text name="b" value="$b"/>
<Choices name="pick" toName="q" choice="{}"><Choice value="One"/><Choice value="Two"/></Choices></View>"""
PAIR = """<View>{}<Pairwise name="pair" toName="a,b"/>
<Text name="a" value="$a"/><Text name="b" value="$b"/></View>"""
TASK: Json = {
    "id": 1,
    "data": {
        "query": "red roses",
        "items": [
            {"id": "car", "title": "Fast cars", "body": "engines and wheels"},
            {"id": "rose", "title": "Roses", "html": "<p>red <b>roses</b></p>"},
            {"id": 3, "body": "red paint"},
        ],
        "a": "wheels of cars",
        "b": "a red rose is among red roses",
        "options": [{"value": "x", "html": "<b>cars</b>"}, {"value": "y", "html": "<i>red roses</i>"}],
    },
}


@pytest.fixture(autouse=True)
def encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("text_encoder")
    module.text_encoder = WordCounts  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "text_encoder", module)
    monkeypatch.syspath_prepend(str(model_named("passage-ranker").folder))


def model(config: str, **settings: Any) -> Any:
    return model_class("passage-ranker")(label_config=config, **settings)


def value(config: str, task: Json = TASK, **settings: Any) -> Any:
    """Return the value of the only region that is predicted for a task; None without a region."""
    (prediction,) = model(config, **settings).predict([task])
    if isinstance(prediction, Exception):
        raise prediction
    assert len(prediction["result"]) <= 1
    return prediction["result"][0]["value"] if prediction["result"] else None


def changed(**data: Any) -> Json:
    return {"id": 1, "data": {**TASK["data"], **data}}


def trained(config: str, tasks: Sequence[tuple[Json, Json]], folder: Path, control: str) -> Any:
    """Return a model that has learnt from tasks, each given by its data and the value of its annotation."""
    made = model(config)
    made.fit(labelled(made, tasks, control), str(folder))
    return made


def labelled(made: Any, tasks: Sequence[tuple[Json, Json]], control: str) -> LabelledTasks:
    """Return annotated tasks, each given by its data and the value of its annotation."""
    kind = made.controls[control].region_type
    to_name = made.controls[control].to_name
    annotations = [
        {
            "id": number,
            "data": data,
            "annotations": [
                {
                    "id": number,
                    "result": [{"from_name": control, "to_name": to_name, "type": kind, "value": annotated}],
                }
            ],
        }
        for number, (data, annotated) in enumerate(tasks, 1)
    ]
    return LabelledTasks(lambda: annotations, "the test")


def test_the_item_that_is_most_like_the_query_is_first() -> None:
    assert value(RANKER) == {"ranker": {"rank": ["rose", "3", "car"]}}


def test_relevant_items_are_in_the_bucket_whose_name_says_so() -> None:
    groups = value(BUCKETS)["ranker"]
    assert groups["relevant"][0] == "rose"
    assert "car" in groups["not_relevant"]


def test_choices_among_texts_choose_by_the_order_of_the_texts() -> None:
    assert value(RETRIEVAL.format("single")) == {"choices": ["Two"]}
    assert value(RETRIEVAL.format("multiple")) == {"choices": ["Two"]}


def test_choices_of_the_task_are_read_without_their_tags() -> None:
    config = """<View><Text name="q" value="$query"/>
    <Choices name="pick" toName="q" value="$options" choice="multiple"/></View>"""
    assert value(config) == {"choices": ["y"]}


def test_a_pair_is_compared_with_the_query_before_it() -> None:
    assert value(PAIR.format('<Text name="q" value="$query"/>')) == {"selected": "right"}
    assert value(PAIR.format("")) is None


def test_a_preference_without_a_query_is_learnt(tmp_path: Path) -> None:
    pairs = [({"a": f"please {word}", "b": f"damn {word}"}, {"selected": "left"}) for word in "abcdefgh"]
    made = trained(PAIR.format(""), pairs, tmp_path, "pair")
    (prediction,) = made.predict([{"id": 9, "data": {"a": "damn thing", "b": "please thing"}}])
    assert prediction["result"][0]["value"] == {"selected": "right"}


def test_buckets_are_learnt(tmp_path: Path) -> None:
    config = BUCKETS.replace("not_relevant", "biased")
    items = [{"id": "1", "body": "never trust them"}, {"id": "2", "body": "both views count"}]
    groups = {"ranker": {"biased": ["1"], "relevant": ["2"]}}
    made = trained(config, [({"query": word, "items": items}, groups) for word in "abc"], tmp_path, "rank")
    (prediction,) = made.predict([{"id": 9, "data": {"query": "d", "items": items}}])
    learned = prediction["result"][0]["value"]["ranker"]
    assert (learned["biased"], learned["relevant"]) == (["1"], ["2"])


def ranked_items(words: str) -> list[tuple[Json, Json]]:
    """Return a task for each of the words, with four items and their order."""
    items = [{"id": str(at), "body": f"item {at}"} for at in range(4)]
    return [({"query": word, "items": items}, {"ranker": {"rank": list("2031")}}) for word in words]


def test_of_many_tasks_and_pairs_random_ones_are_learnt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = model_class("passage-ranker")
    learned = []
    order = kind.fit.__globals__["learned_order"]

    def learned_order(differences: Any, importance: Any) -> Any:
        learned.append((differences.shape[0], len(importance)))
        return order(differences, importance)

    for name, value in {"MOST_TASKS": 3, "MOST_ROWS": 12, "learned_order": learned_order}.items():
        monkeypatch.setitem(kind.fit.__globals__, name, value)
    made = kind(label_config=RANKER)
    output = made.fit(labelled(made, ranked_items("abcde"), "rank"), str(tmp_path))
    assert output["tasks"] == {"rank": 3}
    assert learned == [(12, 12)]


def test_buckets_that_a_training_did_not_know_are_filled_as_before_it(tmp_path: Path) -> None:
    items = [{"id": "1", "body": "never trust them"}, {"id": "2", "body": "both views count"}]
    groups = {"ranker": {"not_relevant": ["1"], "relevant": ["2"]}}
    trained(BUCKETS, [({"query": word, "items": items}, groups) for word in "abc"], tmp_path, "rank")
    renamed = BUCKETS.replace("not_relevant", "unfit")
    output = {"weights": str(tmp_path / "weights.joblib")}
    later = model_class("passage-ranker")(label_config=renamed, train_output=output)
    (prediction,) = later.predict([TASK])
    assert "car" in prediction["result"][0]["value"]["ranker"]["unfit"]


def test_a_cancelled_training_ends(tmp_path: Path) -> None:
    made = model(RANKER)
    job = types.SimpleNamespace(cancelled=True)
    assert made.fit(labelled(made, ranked_items("ab"), "rank"), str(tmp_path), job=job) is None
    assert not list(tmp_path.iterdir())


def test_annotations_without_any_order_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="ranked or chose some items before others"):
        model(RANKER).fit(LabelledTasks(list, "the test"), str(tmp_path))


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (changed(query=None), "Task 1: its field 'query', which has the query, is empty"),
        (changed(query=7), "Task 1: a text is expected, not 7"),
        (changed(items=None), "Task 1: its field 'items' must be a list of items with an id each"),
        (changed(items=[{"body": "no id"}]), "must be a list of items with an id each"),
        (changed(items=[{"id": "1", "html": "<img src='a.png'/>"}]), "pictures are not read"),
        ({"id": 1, "data": {"query": "red"}}, "no field 'items'"),
    ],
)
def test_a_task_that_lacks_something_costs_only_itself(task: Json, message: str) -> None:
    broken, good = model(RANKER).predict([task, TASK])
    assert isinstance(broken, ValueError)
    assert message in str(broken)
    assert good["result"]


def test_an_empty_list_gets_an_empty_prediction() -> None:
    assert value(RANKER, changed(items=[])) is None


def test_a_list_without_a_query_is_an_error_of_the_label_config() -> None:
    config = '<View><List name="items" value="$items"/><Ranker name="rank" toName="items"/></View>'
    with pytest.raises(LabelConfigError, match=r"what the items of .* are ranked for"):
        model(config)


def test_the_query_may_be_another_field(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUERY", "wanted")
    assert value(RANKER, changed(wanted="fast cars"))["ranker"]["rank"][0] == "car"
