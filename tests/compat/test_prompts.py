"""Prompts that annotations hold, extra params, and an application mounted beside the backend."""

from typing import Any

import requests

from .contents import CHOICES
from .served import Served, serving

PROMPT = (
    '<View><Text name="text" value="$text"/><TextArea name="prompt" toName="text"/>'
    '<TextArea name="answer" toName="text"/>'
    '<Choices name="label" toName="text"><Choice value="good"/><Choice value="bad"/></Choices></View>'
)

prompts = serving("prompts", PROMPT)


def area(name: str, text: str) -> dict[str, Any]:
    return {"from_name": name, "to_name": "text", "type": "textarea", "value": {"text": [text]}}


def said(entry: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Return what an entry says for each control, and the version that says it."""
    values = {region["from_name"]: region["value"] for region in entry["result"]}
    return {name: next(iter(value.values()))[0] for name, value in values.items()}, entry["model_version"]


def test_prompts_that_annotations_change(prompts: Served) -> None:
    """As `llm_interactive`, `langchain_search_agent` and `watsonx_llm` do it."""
    prompts.wait_for_version("0.0.1")
    assert prompts.predict({"text": "good day"}, {"text": "bad day"}) == []
    expected = {"label": "bad", "answer": "Is it good?: bad day", "prompt": "Is it good?"}
    context = {"result": [area("prompt", "Is it good?")]}
    (entry,) = prompts.predict({"text": "bad day"}, context=context)
    assert said(entry) == (expected, "0.0.1")
    assert entry["score"] == 0.1

    assert prompts.train_to("ANNOTATION_CREATED", result=[area("prompt", "Is it good?")]) == "0.1.0"
    entries = prompts.predict({"text": "bad day"}, {"text": "good night"})
    assert said(entries[0]) == (expected, "0.1.0")
    assert said(entries[1])[0]["label"] == "good"

    job = prompts.train("ANNOTATION_UPDATED", result=[area("prompt", "Is it good?")])
    assert (job["job_status"], prompts.versions()) == ("finished", 1), "the same prompt is no new version"


def test_extra_params_of_the_form_reach_predict(prompts: Served) -> None:
    prompts.wait_for_version("0.0.1", 2, extra_params='{"shout": true}')
    context = {"result": [area("prompt", "Say")]}
    (entry,) = prompts.predict({"text": "good"}, context=context, project=2)
    assert said(entry)[0]["answer"] == "SAY: GOOD"


def test_a_setup_that_raises_is_said_and_other_projects_go_on(prompts: Served) -> None:
    refused = prompts.asked({"text": "x"}, project=3, label_config=CHOICES)
    assert refused.status_code == 500
    assert "You must provide a text area whose name begins with prompt" in refused.text
    assert prompts.predict({"text": "x"}, project=4) == []


def test_an_application_beside_the_backend(prompts: Served) -> None:
    """`watsonx_llm` mounts one in its `_wsgi.py`. `start` serves the backend alone, and says what it does not use."""
    url = f"{prompts.live.backend.url}/data"
    if prompts.way == "gunicorn":
        event = prompts.event("ANNOTATION_CREATED")
        assert requests.get(f"{url}/health", timeout=90).json() == {"status": "UP", "what": "data"}
        stored = requests.post(f"{url}/upload", json=event, timeout=90)
        assert stored.json() == {"stored": event["task"]["id"]}
    else:
        assert requests.get(f"{url}/health", timeout=90).status_code == 404
        assert (
            "_wsgi.py: not used here: the object that wraps the application" in prompts.live.backend.output()
        )
