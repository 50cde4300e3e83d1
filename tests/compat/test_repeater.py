"""A `fit(event, data)` that returns a dict."""

from .contents import CHOICES, chosen, labelled
from .served import Served, serving

repeater = serving("repeater", CHOICES, ("start",))


def test_a_dict_that_fit_returns_for_an_event_comes_back(repeater: Served) -> None:
    """As `the_simplest_backend`, `dummy_model`, `electra` and `simple_text_classifier` (the last two: files) do it."""
    repeater.wait_for_version("0.0.1")
    assert repeater.predict({"text": "one"}) == []
    repeater.studio.add(1, CHOICES, labelled(41, "one", "good"), labelled(42, "two", "bad"))
    version = repeater.train_to("ANNOTATION_CREATED")
    assert version != "0.0.1"
    entries = repeater.predict({"text": "one"}, {"text": "three"})
    assert [chosen(entry) for entry in entries] == [("bad", 0.75, version)] * 2
    assert entries[0]["result"][0]["files"] == {"folder_file": "2 tasks", "present_file": "2 tasks"}
