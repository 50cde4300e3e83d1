"""Rankings of the items in a list, with and without buckets."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from label_studio_ml.controls import Controls
from label_studio_ml.errors import LabelConfigError
from label_studio_ml.regions import buckets, buckets_of, order_of, ranking
from label_studio_ml.validation.region_checks import RegionChecks

CONFIG = """<View><List name="answers" value="$items"/><Ranker name="rank" toName="answers"/>
<Ranker name="sort" toName="answers"><Bucket name="good" title="Good"/><Bucket name="bad" title="Bad"/></Ranker>
<Ranker name="all" toName="answers"><Bucket name="top"/><Bucket name="rest" default="true"/></Ranker></View>"""
CONTROLS = Controls(CONFIG)
TASK = {"data": {"items": [{"id": "a"}, {"id": 2}, {"id": "c"}]}}


def value(region: dict[str, Any] | None) -> Any:
    assert region is not None
    assert RegionChecks(CONFIG).refusal([region]) is None
    return region["value"]["ranker"]


@given(st.permutations(["a", "2", "c", "d", "e"]))
def test_orders_come_back(order: list[str]) -> None:
    task = {"data": {"items": [{"id": item} for item in sorted(order)]}}
    region = ranking(CONTROLS["rank"], task, order=order)
    assert region is not None
    assert order_of(region) == order
    scores = [-order.index(item) for item in sorted(order)]
    assert value(ranking(CONTROLS["rank"], task, scores=np.array(scores, float))) == {"rank": order}


@given(st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(["good", "bad", "_"])))
def test_buckets_come_back(chosen: dict[str, str]) -> None:
    task = {"data": {"items": [{"id": item} for item in "abcdef"]}}
    groups = {name: [item for item in chosen if chosen[item] == name] for name in ("good", "bad")}
    region = buckets(CONTROLS["sort"], task, groups)
    assert region is not None
    back = buckets_of(region)
    assert {name: back[name] for name in groups} == groups
    assert sorted(back["_"]) == [item for item in "abcdef" if chosen.get(item, "_") == "_"]


def test_no_item_is_lost() -> None:
    assert value(ranking(CONTROLS["rank"], TASK, order=["c"])) == {"rank": ["c", "a", "2"]}
    assert value(ranking(CONTROLS["rank"], TASK, scores=[0.5, 0.9, 0.5])) == {"rank": ["2", "a", "c"]}
    assert value(buckets(CONTROLS["sort"], TASK, {"good": [2]})) == {
        "good": ["2"],
        "bad": [],
        "_": ["a", "c"],
    }
    assert value(buckets(CONTROLS["all"], TASK, {"rest": ["c"]})) == {"top": [], "rest": ["c", "a", "2"]}
    assert ranking(CONTROLS["rank"], {"data": {"items": []}}, order=[]) is None
    assert buckets(CONTROLS["all"], {"data": {"items": []}}, {}) is None


def test_what_is_no_ranking() -> None:
    with pytest.raises(ValueError, match=r"The task has no item 'x' in 'items'; it has: a, 2, c"):
        ranking(CONTROLS["rank"], TASK, order=["x"])
    with pytest.raises(ValueError, match="Each item may be ranked once"):
        buckets(CONTROLS["sort"], TASK, {"good": ["a"], "bad": ["a"]})
    with pytest.raises(ValueError, match="scores must have one for each of the 3 items, not 2"):
        ranking(CONTROLS["rank"], TASK, scores=[1, 2])
    with pytest.raises(ValueError, match="scores must be a finite number"):
        ranking(CONTROLS["rank"], TASK, scores=[1, 2, float("nan")])
    with pytest.raises(ValueError, match="Pass either order or scores"):
        ranking(CONTROLS["rank"], TASK)
    with pytest.raises(LabelConfigError, match="has no bucket ugly; it has: good, bad"):
        buckets(CONTROLS["sort"], TASK, {"ugly": ["a"]})
    with pytest.raises(ValueError, match="The task's field 'items' must be a list of items with an id each"):
        ranking(CONTROLS["rank"], {"data": {"items": ["a"]}}, order=["a"])


def test_the_builder_for_the_control() -> None:
    with pytest.raises(LabelConfigError, match="has buckets") as raised:
        ranking(CONTROLS["sort"], TASK, order=["a"])
    assert raised.value.fix == "Use regions.buckets"
    with pytest.raises(LabelConfigError, match="has no buckets") as raised:
        buckets(CONTROLS["rank"], TASK, {})
    assert raised.value.fix == "Use regions.ranking"
    ranked, sorted_ = ranking(CONTROLS["rank"], TASK, order=["a"]), buckets(CONTROLS["sort"], TASK, {})
    assert ranked is not None
    assert sorted_ is not None
    with pytest.raises(ValueError, match=r"use regions\.order_of"):
        buckets_of(ranked)
    with pytest.raises(ValueError, match=r"use regions\.buckets_of"):
        order_of(sorted_)
    with pytest.raises(ValueError, match="The region is no ranking: its value has text"):
        order_of({"value": {"text": ["a"]}})
