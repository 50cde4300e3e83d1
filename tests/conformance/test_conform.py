"""Checks of a small fake backend: nothing is found in a right one, and each planted fault is found."""

import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml.conformance import trial as trial_module
from label_studio_ml.conformance.checks import body_checks
from label_studio_ml.conformance.conform import CHECKS
from label_studio_ml.conformance.first_contact import NoBackend
from label_studio_ml.conformance.outcome import Finding, Outcome
from studio.fake import Asked, Reply

from .fake_backend import (
    BOXES,
    SMART,
    TEXTS,
    VERSION,
    Answering,
    FakeBackend,
    Json,
    closed,
    error,
    html,
    parsed,
)
from .trials import IMPATIENT, PATIENT, outcomes_of, trial_of

LOGIN = ("me", "secret")

#: The made-up projects, as /setup and /predict name them.
FIRST, SECOND = "2147483601.1795434258", "2147483602.1795434258"


@pytest.fixture
def backend() -> Iterator[FakeBackend]:
    with FakeBackend() as fake:
        yield fake


def findings(outcomes: dict[str, Outcome]) -> list[tuple[str, Finding]]:
    return [(name, finding) for name, outcome in outcomes.items() for finding in outcome.findings]


@pytest.mark.parametrize("label_config", [TEXTS, BOXES], ids=["texts", "boxes"])
@pytest.mark.parametrize("login", [None, LOGIN], ids=["open", "login"])
def test_nothing_is_found_in_a_right_backend(
    backend: FakeBackend, label_config: str, login: tuple[str, str] | None
) -> None:
    backend.login = login
    trial = trial_of(backend.url, label_config=label_config, login=login, extra_params='{"a": 1}')
    outcomes = outcomes_of(trial)
    assert findings(outcomes) == []
    assert list(outcomes) == list(CHECKS)
    assert {name for name, outcome in outcomes.items() if outcome.skipped} <= {"login"}


def results_of(change: Any) -> Answering:
    """Return an answer of /predict whose results `change` has changed; it gets results and the request's body."""

    def predict(fake: FakeBackend, asked: Asked) -> Reply:
        reply = FakeBackend.predict(fake, asked)
        body = parsed(asked)
        if reply.status != 200 or body is None:
            return reply
        return Reply(200, json.dumps(change(json.loads(reply.body), body)).encode())

    return predict


def each(**fields: Any) -> Answering:
    """Return an answer of /predict with fields of each prediction replaced."""
    return results_of(lambda answer, body: {"results": [{**entry, **fields} for entry in answer["results"]]})


def each_region(**fields: Any) -> Answering:
    """Return an answer of /predict with fields of each region replaced; None removes one."""

    def change(answer: Json, body: Json) -> Json:
        for entry in answer["results"]:
            entry["result"] = [
                {name: value for name, value in {**region, **fields}.items() if value is not None}
                for region in entry["result"]
            ]
        return answer

    return results_of(change)


def pixels(answer: Json, body: Json) -> Json:
    for entry in answer["results"]:
        for region in entry["result"]:
            region["value"] |= {"x": 310, "width": 200}
    return answer


def clicked(change: Any) -> Answering:
    """Return an answer of /predict that `change` has changed for clicks only."""
    return results_of(lambda answer, body: change(answer) if body["params"]["context"] else answer)


def of_last_setup(fake: FakeBackend, asked: Asked) -> Reply:
    body = parsed(asked)
    if body is None or "tasks" not in body:
        return error(400, "no tasks")
    with_other = {**body, "label_config": fake.label_config}
    return FakeBackend.predict(fake, Asked("POST", "/predict", {}, {}, json.dumps(with_other).encode()))


def of_newest_project(fake: FakeBackend, asked: Asked) -> Reply:
    """Answer /setup, and keep the label config of the project that was set up first most recently."""
    body = parsed(asked)
    known = fake.label_config if body is not None and body.get("project") in fake.projects else ""
    reply = FakeBackend.setup(fake, asked)
    if body is not None:
        fake.projects.add(body.get("project"))
        fake.label_config = known or fake.label_config
    return reply


def of_fixed_names(fake: FakeBackend, asked: Asked) -> Reply:
    body = parsed(asked)
    if body is None or "tasks" not in body:
        return error(400, "no tasks")
    with_own = {**body, "label_config": TEXTS}
    return FakeBackend.predict(fake, Asked("POST", "/predict", {}, {}, json.dumps(with_own).encode()))


def hanging(fake: FakeBackend, asked: Asked) -> Reply:
    fake.hang()
    return Reply.of({})


def moved(fake: FakeBackend, asked: Asked) -> Reply:
    return Reply.to(f"/v1{asked.path}")


def to_login(fake: FakeBackend, asked: Asked) -> Reply:
    return Reply.to("/login")


def of_counted_version(fake: FakeBackend, asked: Asked) -> Reply:
    fake.calls += 1
    return Reply.of({"model_version": str(fake.calls)})


def cut_off(count: int) -> Answering:
    """Return an answer of /predict whose Content-Length is larger than the body by `count` bytes."""

    def predict(fake: FakeBackend, asked: Asked) -> Reply:
        reply = FakeBackend.predict(fake, asked)
        return replace(reply, cut=count) if count > 0 else replace(reply, body=reply.body[:count])

    return predict


def without_texts_as_params(fake: FakeBackend, asked: Asked) -> Reply:
    body = parsed(asked)
    if body is not None and isinstance(body.get("extra_params"), str):
        return error(500, "AttributeError: 'str' object has no attribute 'get'")
    return FakeBackend.setup(fake, asked)


def without_lists_as_params(fake: FakeBackend, asked: Asked) -> Reply:
    body = parsed(asked)
    if body is not None and isinstance(body.get("extra_params"), list):
        return error(500, "TypeError: list indices must be integers")
    return FakeBackend.setup(fake, asked)


def parsing_params(fake: FakeBackend, asked: Asked) -> Reply:
    body = parsed(asked)
    entered = body.get("extra_params") if body is not None else None
    try:
        json.loads(entered) if isinstance(entered, str) and entered else None
    except ValueError as cause:
        return error(500, f"JSONDecodeError: {cause}")
    return FakeBackend.setup(fake, asked)


def failing_for(action: str, *, bare: bool = False) -> Answering:
    """Return an answer of /webhook that fails for an action; `bare`: only for events without a payload."""

    def webhook(fake: FakeBackend, asked: Asked) -> Reply:
        body = parsed(asked)
        if body is not None and body.get("action") == action and bare == (len(body) == 1):
            return error(500, "KeyError")
        return FakeBackend.webhook(fake, asked)

    return webhook


def nothing_reversed(fake: FakeBackend, asked: Asked) -> Reply:
    body = parsed(asked)
    numbers = [task["id"] for task in body["tasks"]] if body is not None else []
    return FakeBackend.predict(fake, asked) if numbers == sorted(numbers) else Reply.of({"results": []})


def nothing_for_second(fake: FakeBackend, asked: Asked) -> Reply:
    body = parsed(asked)
    if body is not None and body["project"] == SECOND:
        return Reply.of({"results": []})
    return FakeBackend.predict(fake, asked)


def has_broken_task(body: Json) -> bool:
    return any(not task["data"] for task in body["tasks"])


def broken_last(answer: Json, body: Json) -> Json:
    """Put the predictions of tasks without data behind the others."""
    order = sorted(range(len(body["tasks"])), key=lambda at: not body["tasks"][at]["data"])
    return {"results": [answer["results"][at] for at in order]}


def null_for_broken(answer: Json, body: Json) -> Json:
    pairs = zip(answer["results"], body["tasks"], strict=True)
    return {"results": [result if task["data"] else None for result, task in pairs]}


def nothing_if_one_is_broken(answer: Json, body: Json) -> Json:
    if not has_broken_task(body):
        return answer
    return {"results": [{"result": []} for _ in body["tasks"]]}


def all_or_nothing(fake: FakeBackend, asked: Asked) -> Reply:
    body = parsed(asked)
    if body is not None and any(
        not task["data"] for task in body.get("tasks") or () if isinstance(task, dict)
    ):
        return error(500, "KeyError: 'text'")
    return FakeBackend.predict(fake, asked)


def of_small_bodies(fake: FakeBackend, asked: Asked) -> Reply:
    return html(413) if len(asked.body) > 1_000_000 else FakeBackend.predict(fake, asked)


def holding_everything(fake: FakeBackend, asked: Asked) -> Reply:
    with fake.one_at_a_time:
        fake.released.wait(2)
        return FakeBackend.predict(fake, asked)


def health_in_turn(fake: FakeBackend, asked: Asked) -> Reply:
    with fake.one_at_a_time:
        return FakeBackend.health(fake, asked)


def predicting_after_a_question(fake: FakeBackend, asked: Asked) -> Reply:
    """Take the lock only when /health has been answered once meanwhile."""
    fake.asked_meanwhile.wait(10)
    return holding_everything(fake, asked)


def health_in_turn_at_last(fake: FakeBackend, asked: Asked) -> Reply:
    reply = health_in_turn(fake, asked)
    if any(each.path == "/predict" for each in fake.asked):
        fake.asked_meanwhile.set()
    return reply


def late_at_first(fake: FakeBackend, asked: Asked) -> Reply:
    """Answer the first /health during a prediction too late; those that follow at once."""
    if any(each.path == "/predict" for each in fake.asked):
        fake.calls += 1
        if fake.calls == 1:
            fake.released.wait(2)
        else:
            fake.asked_meanwhile.set()
    return FakeBackend.health(fake, asked)


def predicting_meanwhile(fake: FakeBackend, asked: Asked) -> Reply:
    fake.asked_meanwhile.wait(10)
    return FakeBackend.predict(fake, asked)


def unchecked(instead: Any) -> Answering:
    """Return an answer of /predict that is `instead()` for wrong bodies."""

    def predict(fake: FakeBackend, asked: Asked) -> Reply:
        reply: Reply = FakeBackend.predict(fake, asked)
        return instead() if reply.status == 400 else reply

    return predict


def last_words(fake: FakeBackend, asked: Asked) -> Reply:
    """Answer wrong bodies, and from then on nothing."""
    reply = FakeBackend.webhook(fake, asked)
    if reply.status == 400:
        fake.answers["/health"] = lambda fake, asked: closed()
    return reply


def anybody(fake: FakeBackend, asked: Asked) -> Reply:
    return FakeBackend.health(fake, asked)


def with_login_only(fake: FakeBackend, asked: Asked) -> Reply:
    return FakeBackend.webhook(fake, asked) if fake.admits(asked) else error(401, "wrong login")


def always(reply: Reply) -> Answering:
    return lambda fake, asked: reply


@dataclass(frozen=True)
class Fault:
    """A planted fault: the answers that have it, the check that finds it, and words that the finding has."""

    name: str
    answers: dict[str, Answering]
    check: str
    words: tuple[str, ...]
    status: str = "fail"
    label_config: str = TEXTS
    slow: bool = False
    login: tuple[str, str] | None = None


def predicting(name: str, answer: Answering, *words: str, check: str = "all-tasks", **more: Any) -> Fault:
    return Fault(name, {"/predict": answer}, check, words, **more)


BROKEN: dict[str, Any] = {"check": "broken-task", "status": "warn"}


def versioned(name: str, answer: Any, *words: str, **more: Any) -> Fault:
    return Fault(f"versions {name}", {"/versions": always(Reply.of(answer))}, "versions", words, **more)


FAULTS = (
    Fault("health slow", {"/health": hanging}, "health", ("Disconnected", "asked 3 times"), slow=True),
    Fault("health is a page", {"/health": always(html(200))}, "health", ("Disconnected", "web page")),
    Fault("health fails", {"/health": always(error(503, "loading"))}, "health", ("Disconnected", "503")),
    Fault("health leads to a login page", {"/health": to_login}, "health", ("Disconnected", "/login")),
    Fault("setup slow", {"/setup": hanging}, "setup", ("state Error", "0.5 s"), slow=True),
    Fault("setup fails", {"/setup": always(error(500, "no"))}, "setup", ("state Error", "500")),
    Fault("setup is a page", {"/setup": always(html(200))}, "setup", ("state Error", "web page")),
    Fault("setup is a list", {"/setup": always(Reply.of([]))}, "setup", ("a list as JSON", "500")),
    Fault("no version", {"/setup": always(Reply.of({}))}, "setup", ("no `model_version`", "400")),
    Fault("version null", {"/setup": always(Reply.of({"model_version": None}))}, "setup", ("null", "400")),
    Fault(
        "version a number",
        {"/setup": always(Reply.of({"model_version": 3}))},
        "setup",
        ("a number", "next task"),
    ),
    Fault("version of the moment", {"/setup": of_counted_version}, "setup", ("'1', then '2'", "asks again")),
    Fault("extra params", {"/setup": without_texts_as_params}, "extra-params", ("an empty text", "500")),
    Fault(
        "extra params a list",
        {"/setup": without_lists_as_params},
        "extra-params",
        ("a list", "500"),
        status="warn",
    ),
    Fault(
        "extra params no JSON",
        {"/setup": parsing_params},
        "extra-params",
        ("no JSON", "slip"),
        status="warn",
    ),
    versioned("a list", [VERSION], "a list as JSON", "an error in their place"),
    versioned("null", {"versions": None}, "`versions` is null", "passes it on"),
    versioned("numbers", {"versions": [1]}, "with a number: 1", status="warn"),
    versioned("missing", {}, "without `versions`", "lists no version", status="warn"),
    versioned("none", {"versions": []}, "an empty list", status="warn"),
    Fault(
        "versions a page",
        {"/versions": always(html(200))},
        "versions",
        ("a web page", "lists no version"),
        status="warn",
    ),
    Fault("versions by POST only", {"/versions": always(error(405, "no"))}, "versions", ("405",)),
    Fault("no versions", {"/versions": always(error(404, "no"))}, "versions", ("Upgrade",), status="warn"),
    predicting(
        "one too few", results_of(lambda a, b: {"results": a["results"][1:]}), "7 results for 8 tasks"
    ),
    predicting(
        "one for all", results_of(lambda a, b: {"results": a["results"][:1]}), "task by task", status="warn"
    ),
    predicting(
        "results an object",
        results_of(lambda a, b: {"results": {"1": a["results"]}}),
        "`results` is an object",
    ),
    predicting("a bare list", results_of(lambda a, b: a["results"]), "a list", "stores no prediction"),
    predicting("other key", results_of(lambda a, b: {"predictions": a["results"]}), "it has: predictions"),
    predicting(
        "null for a task", results_of(lambda a, b: {"results": [None] * len(b["tasks"])}), "null", "500"
    ),
    predicting("result null", each(result=None), "`result` is null", "400"),
    predicting("result a region", each(result={"type": "choices"}), "`result` is an object"),
    predicting(
        "regions at the top",
        results_of(lambda a, b: {"results": [{"error": "no GPU"}] * len(b["tasks"])}),
        "no GPU",
        "skips the task",
    ),
    predicting("not a number", each(score=float("nan")), "NaN", "PostgreSQL"),
    predicting("score above 1", each(score=7.5), "750 %", status="warn"),
    predicting("score a word", each(score="high"), "`score` is a text", "400"),
    predicting("prediction's version null", each(model_version=None), "null", "Leave it out"),
    predicting("two versions", each(model_version="8"), "'8'", "that of /setup '7'"),
    predicting("other label", each_region(value={"choices": ["none"]}), "'none'", "it has: bad, good, odd"),
    predicting("wrong from_name", each_region(from_name="other"), "from_name", "it has: label"),
    predicting("wrong to_name", each_region(to_name="image"), "'image'", "(text)"),
    predicting("no type", each_region(type=None), "no 'type'"),
    predicting("wrong type", each_region(type="labels"), "a <choices>"),
    predicting("no value", each_region(value=None), "no 'value'"),
    predicting("pixels", results_of(pixels), "percent", label_config=BOXES, status="any"),
    predicting("never", hanging, "no answer within 0.5 s", check="one-task", slow=True),
    predicting("closed", always(closed()), "closed without an answer", check="one-task"),
    predicting("cut off", cut_off(5), "ends too early", "Content-Length", check="one-task"),
    predicting("cut short", cut_off(-5), "JSON that ends too early, after", check="one-task"),
    predicting("click a page", always(html(200)), "a web page", "no effect", check="click"),
    predicting("page for an error", always(html(500)), "500", check="one-task"),
    predicting("moved", moved, "a redirect (302)", "GET without a body", check="one-task"),
    predicting(
        "as they come",
        results_of(lambda a, b: {"results": sorted(a["results"], key=str)}),
        "wrong tasks",
        check="order",
    ),
    predicting("nothing in reverse", nothing_reversed, "in the reverse order", check="order"),
    predicting(
        "nothing for a second project",
        nothing_for_second,
        "no results",
        check="two-projects",
        status="warn",
    ),
    predicting("click a list", clicked(lambda a: {"results": [a["results"]]}), "is a list", check="click"),
    predicting(
        "click without result", clicked(lambda a: {"results": [{"regions": []}]}), "no effect", check="click"
    ),
    predicting(
        "state of the last setup",
        of_last_setup,
        "a click in one project",
        "label_second",
        check="two-projects",
        status="warn",
    ),
    predicting(
        "clicks by the last setup",
        of_last_setup,
        "a click in one project",
        "box_second",
        check="two-projects",
        label_config=SMART,
    ),
    Fault(
        "state of the newest project",
        {"/predict": of_last_setup, "/setup": of_newest_project},
        "two-projects",
        ("after a second project was used", "label_second"),
    ),
    predicting("one label config", of_fixed_names, "one project only", check="two-projects", status="warn"),
    predicting("one task costs all", all_or_nothing, "no data", check="broken-task", status="warn"),
    predicting("one task moves the others", results_of(broken_last), "of the 8 other tasks", **BROKEN),
    predicting("null for the broken task", results_of(null_for_broken), "null", "500", **BROKEN),
    predicting("nothing for all", results_of(nothing_if_one_is_broken), "8 of the 8 other tasks", **BROKEN),
    predicting("small bodies", of_small_bodies, "413", "client_max_body_size", check="large-request"),
    Fault(
        "one request at a time",
        {"/predict": holding_everything, "/health": health_in_turn},
        "busy",
        ("Disconnected to all", "threads"),
        slow=True,
    ),
    Fault(
        "one request at a time, later",
        {"/predict": predicting_after_a_question, "/health": health_in_turn_at_last},
        "busy",
        ("Disconnected to all", "threads"),
        slow=True,
    ),
    Fault(
        "late while it predicts",
        {"/predict": predicting_meanwhile, "/health": late_at_first},
        "busy",
        ("no answer within 0.3 s at first, then 200",),
        status="warn",
        slow=True,
    ),
    predicting(
        "500 for rubbish",
        unchecked(lambda: error(500, "KeyError")),
        "5 of 9",
        check="bad-input",
        status="warn",
    ),
    predicting(
        "pages for rubbish", unchecked(lambda: html(400)), "a web page", check="bad-input", status="warn"
    ),
    predicting("200 for rubbish", unchecked(lambda: Reply.of({})), "200", check="bad-input", status="warn"),
    predicting("closed for rubbish", unchecked(closed), "closed without an answer", check="bad-input"),
    Fault("dies of rubbish", {"/webhook": last_words}, "bad-input", ("after wrong bodies", "ends it")),
    Fault("open to all", {"/health": anybody}, "login", ("200",), login=LOGIN),
    Fault("events fail", {"/webhook": always(error(500, "no"))}, "events", ("TASKS_CREATED", "not send")),
    Fault("events slow", {"/webhook": hanging}, "events", ("0.5 s longer", "hangs up"), slow=True),
    Fault("events need a login", {"/webhook": with_login_only}, "events", ("no login",), login=LOGIN),
    Fault("no events", {"/webhook": always(error(404, "no"))}, "events", ("cannot learn",), status="warn"),
    Fault(
        "annotations fail",
        {"/webhook": always(error(500, "no"))},
        "annotation-events",
        ("ANNOTATION_CREATED",),
    ),
    Fault(
        "lists of annotations fail",
        {"/webhook": failing_for("ANNOTATIONS_CREATED")},
        "annotation-events",
        ("500", "ANNOTATIONS_CREATED"),
    ),
    Fault("labels fail", {"/webhook": failing_for("LABEL_LINK_UPDATED")}, "events", ("LABEL_LINK_UPDATED",)),
    Fault(
        "events without a payload fail",
        {"/webhook": failing_for("ANNOTATION_CREATED", bare=True)},
        "annotation-events",
        ("ANNOTATION_CREATED without a payload", "turned off"),
        status="warn",
    ),
    Fault("training is a list", {"/webhook": always(Reply.of([], 201))}, "training", ("a list", "500")),
    Fault("training fails", {"/webhook": always(error(500, "no"))}, "training", ("state Error",)),
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_each_planted_fault_is_found(fault: Fault) -> None:
    with FakeBackend(login=fault.login) as backend:
        backend.answers |= fault.answers
        if fault.check == "login":
            backend.admits = lambda asked: asked.path == "/health" or FakeBackend.admits(backend, asked)  # type: ignore[method-assign]
        trial = trial_of(
            backend.url,
            label_config=fault.label_config,
            login=fault.login,
            limits=IMPATIENT if fault.slow else PATIENT,
        )
        outcome = outcomes_of(trial, [fault.check])[fault.check]
    texts = [" ".join((one.received, one.expected, one.effect, one.fix)) for one in outcome.findings]
    assert outcome.status in (("warn", "fail") if fault.status == "any" else (fault.status,)), outcome
    assert any(all(word in text for word in fault.words) for text in texts), texts


def test_a_refused_login_ends_the_run(backend: FakeBackend) -> None:
    backend.login = ("me", "another")
    with pytest.raises(NoBackend, match="refuses the login"):
        outcomes_of(trial_of(backend.url, login=LOGIN))
    with pytest.raises(NoBackend, match="asks for a login"):
        outcomes_of(trial_of(backend.url))


def test_a_login_in_the_address_is_checked_too(backend: FakeBackend) -> None:
    backend.login = LOGIN
    within = backend.url.replace("//", f"//{':'.join(LOGIN)}@")
    outcomes = outcomes_of(trial_of(within), ["login"])
    assert outcomes["login"].summary == "calls without the right login are answered 401"
    assert not outcomes["login"].findings
    backend.login = None
    outcomes = outcomes_of(trial_of(within), ["login"])
    assert "with a wrong password" in outcomes["login"].findings[0].received


def test_no_training_is_started_unless_it_is_asked_for(backend: FakeBackend) -> None:
    outcomes = outcomes_of(trial_of(backend.url, trains=False))
    assert {event["action"] for event in backend.events} == {
        "TASKS_CREATED",
        "PROJECT_UPDATED",
        "TASKS_DELETED",
        "LABEL_LINK_CREATED",
        "LABEL_LINK_UPDATED",
        "LABEL_LINK_DELETED",
    }
    assert [name for name, outcome in outcomes.items() if outcome.skipped] == [
        "login",
        "annotation-events",
        "training",
    ]


def test_the_page_names_each_event_that_is_sent_without_train(backend: FakeBackend) -> None:
    outcomes_of(trial_of(backend.url, trains=False), ["events", "annotation-events", "training"])
    page = (Path(__file__).parents[2] / "docs" / "conformance.md").read_text()
    named = page.partition("the only events are")[2].partition("which by convention")[0]
    assert set(re.findall(r"[A-Z_]{6,}", named)) == {event["action"] for event in backend.events}


def test_a_fault_of_each_answer_is_not_that_of_a_broken_task(backend: FakeBackend) -> None:
    backend.answers["/predict"] = each(score=float("nan"))
    outcomes = outcomes_of(trial_of(backend.url), ["all-tasks", "order", "two-projects", "broken-task"])
    assert outcomes["all-tasks"].status == "fail"
    assert {name for name, _ in findings(outcomes)} == {"all-tasks"}


def test_a_model_that_predicts_nothing_is_no_finding(backend: FakeBackend) -> None:
    backend.answers["/predict"] = results_of(lambda answer, body: {"results": []})
    outcomes = outcomes_of(trial_of(backend.url))
    assert findings(outcomes) == []
    assert "the model predicts nothing" in outcomes["one-task"].summary
    assert outcomes["order"].skipped


def test_a_note_says_that_of_many_regions_the_sdk_got_the_first_ones(
    backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def many(answer: Json, body: Json) -> Json:
        for entry in answer["results"]:
            entry["result"] *= 3
        return answer

    monkeypatch.setattr(trial_module, "SDK_REGIONS", 2)
    backend.answers["/predict"] = results_of(many)
    outcomes = outcomes_of(trial_of(backend.url), ["one-task", "all-tasks"])
    assert {outcome.status for outcome in outcomes.values()} == {"ok"}
    assert all("got the first 2 regions only" in outcome.summary for outcome in outcomes.values())


def test_version_and_score_of_a_suggestion_do_not_matter(backend: FakeBackend) -> None:
    backend.answers["/predict"] = clicked(
        lambda answer: {"results": [{**answer["results"][0], "model_version": None, "score": "high"}]}
    )
    assert findings(outcomes_of(trial_of(backend.url), ["click"])) == []


def test_a_model_that_guesses_is_no_finding(backend: FakeBackend) -> None:
    """Its predictions may be the same ones in another order by chance."""
    guesses = iter(["good", "bad"] * 4 + ["good", "good", "bad", "bad"] * 2 + ["bad", "good"] * 100)

    def guess(answer: Json, body: Json) -> Json:
        for entry in answer["results"]:
            entry["result"][0]["value"] = {"choices": [next(guesses)]}
        return answer

    backend.answers["/predict"] = results_of(guess)
    trial = trial_of(backend.url)
    outcomes = outcomes_of(trial, ["all-tasks", "order"])
    assert findings(outcomes) == []
    assert "differ" in outcomes["order"].summary


def test_several_predictions_of_a_task_are_no_finding(backend: FakeBackend) -> None:
    backend.answers["/predict"] = results_of(
        lambda answer, body: (
            answer
            if body["params"]["context"]
            else {"results": [[entry, {**entry, "score": 0.2}] for entry in answer["results"]]}
        )
    )
    outcomes = outcomes_of(trial_of(backend.url))
    assert findings(outcomes) == []
    assert "16 predictions of 8 tasks" in outcomes["all-tasks"].summary


def test_a_check_with_an_error_does_not_hide_the_others(
    backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(trial: object) -> Outcome:
        raise RuntimeError("a bug")

    monkeypatch.setitem(CHECKS, "versions", broken)
    outcomes = outcomes_of(trial_of(backend.url), ["versions", "one-task"])
    assert "RuntimeError: a bug" in outcomes["versions"].findings[0].received
    assert outcomes["one-task"].status == "ok"


def test_a_setup_has_the_params_that_are_entered(backend: FakeBackend) -> None:
    """They are in force at the calls that follow, as in Label Studio, whatever else was tried."""
    outcomes_of(trial_of(backend.url, extra_params='{"threshold": 0.5}'))
    setups = [(asked.path, parsed(asked)) for asked in backend.asked if asked.path in ("/setup", "/predict")]
    before_predictions = {
        setup["extra_params"]
        for (path, setup), (next_path, _) in itertools.pairwise(setups)
        if (path, next_path) == ("/setup", "/predict") and setup is not None
    }
    assert before_predictions == {'{"threshold": 0.5}'}


def test_each_project_is_set_up_before_its_prediction(backend: FakeBackend) -> None:
    outcomes_of(trial_of(backend.url), ["two-projects"])
    calls = [(asked.path, parsed(asked) or {}) for asked in backend.asked if asked.method == "POST"]
    opened = [
        (before["project"], body["project"])
        for (path, before), (_, body) in itertools.pairwise(calls)
        if path == "/setup" and "tasks" in body and body["params"]["context"] is None
    ]
    assert opened[-2:] == [(SECOND, SECOND), (FIRST, FIRST)]


def test_a_backend_that_fails_on_clicks_is_not_reported_for_two_projects(backend: FakeBackend) -> None:
    backend.answers["/predict"] = clicked(lambda answer: {"results": [{"regions": []}]})
    outcomes = outcomes_of(trial_of(backend.url), ["click", "two-projects"])
    assert outcomes["click"].status == "fail"
    assert outcomes["two-projects"].status == "ok"


def _nested(backend: FakeBackend, asked: Asked) -> Reply:
    reply = json.loads(FakeBackend.predict(backend, asked).body)
    for result in reply["results"]:
        result["meta"] = 0
    deep = f'"meta": {"[" * 900}"x"{"]" * 900}'
    body = json.dumps(reply).replace('"meta": 0', deep).encode()
    return Reply(200, body, {"Content-Type": "application/json"})


def test_predictions_that_are_nested_deep_are_compared(backend: FakeBackend) -> None:
    backend.answers["/predict"] = _nested
    outcomes = outcomes_of(trial_of(backend.url), ["order", "broken-task"])
    assert "error in the check itself" not in str(outcomes)
    assert outcomes["order"].summary == "each task gets its own prediction"


def test_rounding_that_depends_on_the_batch_is_no_finding(backend: FakeBackend) -> None:
    """0.1234565 and 0.1234564 are near, but not the same in six digits."""

    def rounded(answer: Json, body: Json) -> Json:
        score = 0.1234565 if len(body["tasks"]) == 8 else 0.1234564
        return {"results": [{**entry, "score": score} for entry in answer["results"]]}

    backend.answers["/predict"] = results_of(rounded)
    outcomes = outcomes_of(trial_of(backend.url), ["all-tasks", "broken-task"])
    assert findings(outcomes) == []
    assert outcomes["broken-task"].summary == "the other tasks keep their predictions"


def test_a_body_that_is_not_utf8_is_a_warning(backend: FakeBackend) -> None:
    def predict(backend: FakeBackend, asked: Asked) -> Reply:
        reply = FakeBackend.predict(backend, asked)
        return replace(reply, body=reply.body.replace(b'"score"', '"ö": 1, "score"'.encode("latin-1")))

    backend.answers["/predict"] = predict
    found = findings(outcomes_of(trial_of(backend.url)))
    assert [(name, finding.severity.name, finding.received) for name, finding in found] == [
        ("one-task", "WARN", "a body that is not UTF-8")
    ]


@pytest.mark.parametrize("text", ["a\x00b", "\ud800"], ids=["zero", "half"])
def test_a_text_that_postgresql_cannot_hold_is_a_finding(backend: FakeBackend, text: str) -> None:
    def predict(fake: FakeBackend, asked: Asked) -> Reply:
        body = json.loads(FakeBackend.predict(fake, asked).body)
        for result in body["results"]:
            result["result"][0]["meta"] = {"text": [text]}
        return Reply.of(body)

    backend.answers["/predict"] = predict
    outcomes = outcomes_of(trial_of(backend.url), ["one-task"])
    ((_, finding),) = findings(outcomes)
    assert "U+0000 or half a surrogate pair" in finding.received
    assert "PostgreSQL refuses" in finding.effect


def test_a_call_that_is_never_answered_is_not_repeated_in_other_forms(
    backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body_checks, "_LIMIT", 1.0)

    def hang(fake: FakeBackend, asked: Asked) -> Reply:
        fake.hang()
        return closed()

    backend.answers["/webhook"] = hang
    outcomes = outcomes_of(trial_of(backend.url, limits=IMPATIENT), ["bad-input", "events"])
    assert {name for name, finding in findings(outcomes) if finding.severity == "fail"} == {
        "bad-input",
        "events",
    }
    assert backend.paths().count("/webhook") == 2
