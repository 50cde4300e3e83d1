"""The words of a message lead to the entry of its code."""

import ast
import runpy
from pathlib import Path

import pytest

from label_studio_ml.troubleshooting.entries import Entry, by_code
from label_studio_ml.troubleshooting.message_templates import FILE, VALUE, Template, as_json, templates
from label_studio_ml.troubleshooting.search import find

source_messages = runpy.run_path(str(Path(__file__).resolve().parents[2] / "scripts" / "message_templates"))


#: Messages of errors whose texts are put together elsewhere.
OTHERS = {
    "LSML-E610": "Events that wait on this server's disk for Redis have 64 MiB, and no more are kept (SPOOL_MB=64)",
    "LSML-E751": "https://studio.example.com/data/upload/1/a.png: 404 Not Found; the file is not there",
}


def test_every_message_leads_to_its_code_first() -> None:
    """A message as it is printed, with values; several codes may have the same one."""
    codes: dict[str, set[str]] = {}
    for template in templates():
        codes.setdefault(template.message, set()).add(template.code)
    wrong = {}
    for template in templates():
        fix = f". {template.fix}" if template.fix else ""
        text = f"label-studio-ml: {template.message}{fix}".replace(VALUE, "some-value-7")
        found = [match.code for match in find(text)]
        if not found or found[0] not in codes[template.message]:
            wrong[text] = (template.code, found)
    assert wrong == {}


@pytest.mark.parametrize("code", OTHERS)
def test_a_message_without_a_template_leads_to_its_code(code: str) -> None:
    assert find(OTHERS[code])[0].code == code


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("redis refuses login", "LSML-E600"),
        ("port in use", "LSML-E200"),
        (
            "Label Studio refused the token: 401 at http://localhost:8080/api/users/ (Invalid token.)",
            "LSML-E710",
        ),
        ("http://localhost:8080 cannot be reached (ConnectionError)", "LSML-E700"),
        ("/srv/be/model.py, line 3: the module torch is not installed", "LSML-E310"),
        ("problem/504/The-model-did-not-answer-within-80-s", "LSML-E421"),
        ("Redis connection refused", "LSML-E600"),
    ],
)
def test_words_lead_to_the_entry(words: str, code: str) -> None:
    assert find(words)[0].code == code


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("connection refused", {"LSML-E430", "LSML-E600", "LSML-E700"}),
        ("[Errno 111] Connection refused", {"LSML-E430", "LSML-E700"}),
        ("timed out", {"LSML-E421", "LSML-E730"}),
        ("out of memory", {"LSML-E340", "LSML-E400", "LSML-E650"}),
        (
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB",
            {"LSML-E320", "LSML-E340"},
        ),
        ("PermissionError: [Errno 13] Permission denied: '/srv/models'", {"LSML-E200", "LSML-E500"}),
        ("401 Unauthorized", {"LSML-E120", "LSML-E710"}),
        ("ModuleNotFoundError: No module named 'torch'", {"LSML-E310"}),
        ("no module named torch", {"LSML-E310"}),
        ("OSError: [Errno 28] No space left on device", {"LSML-E500"}),
        ("sqlite3.OperationalError: database is locked", {"LSML-E500"}),
        ("certificate verify failed: self-signed certificate", {"LSML-E430", "LSML-E600", "LSML-E700"}),
    ],
)
def test_a_message_of_another_program_leads_to_entries(text: str, codes: set[str]) -> None:
    matches = find(text)
    assert codes <= {match.code for match in matches}
    assert not any(match.is_weak for match in matches)


@pytest.mark.parametrize("entry", by_code().values(), ids=lambda entry: entry.code)
def test_each_message_of_others_in_an_entry_leads_there(entry: Entry) -> None:
    for text in entry.other_messages:
        assert entry.code in [match.code for match in find(text, limit=10)], text


@pytest.mark.parametrize(
    "text", ["LSML-E310", "lsml-e310", "[2026-11-28] [ERROR] '/predict' -> 500: x [LSML-E310]"]
)
def test_a_code_in_a_text_leads_to_its_entry(text: str) -> None:
    assert [match.code for match in find(text)] == ["LSML-E310"]


@pytest.mark.parametrize("text", ["", "LSML-E999", "flubber gargle", "…", "the", "cannot", "error"])
def test_what_is_in_no_message_finds_nothing(text: str) -> None:
    assert find(text) == []


def test_one_word_in_common_is_no_match_for_a_longer_text() -> None:
    assert "LSML-E500" not in [match.code for match in find("the handshake is refused")], (
        "not by … is refused: …"
    )


def test_a_message_that_is_little_more_than_values_is_a_weak_match() -> None:
    (match,) = find("some-name is refused: some-cause")
    assert match.is_weak


def test_words_of_an_entry_are_a_weak_match() -> None:
    matches = find("organization legacy")
    assert [(match.code, match.is_weak, match.messages) for match in matches] == [("LSML-E710", True, ())]


def test_the_messages_of_a_match_are_those_with_the_words() -> None:
    (match,) = find("Redis refuses the login")
    assert match.messages[0].message == "Redis refuses the login"
    assert match.messages[0].fix.startswith("Check user and password in REDIS_URL")


MODULE = """
from label_studio_ml import errors
from label_studio_ml.errors import BrokerError as Broken, StudioError

ADVICE = "Try again"


def direct(name):
    raise errors.UnknownJob(f"There is no job {name!r}" + " here", fix=f"List them: {name}")


def by_variable(passing: bool):
    problem = "is full"
    if passing:
        problem = "is away"
    text = f"Redis {problem} ({passing})"
    raise Broken(text, fix=ADVICE)


def by_parameter(error: type[StudioError], cause):
    return (error if cause else StudioError)("Label Studio is away" if cause else f"It says {cause}")


def wrapped(error):
    raise StudioError(str(error))
"""


def test_templates_are_read_from_code() -> None:
    codes = {
        ("label_studio_ml.errors", "UnknownJob"): "LSML-E112",
        ("label_studio_ml.errors", "BrokerError"): "LSML-E600",
        ("label_studio_ml.errors", "StudioError"): "LSML-E700",
    }
    lines = set(range(len(MODULE.splitlines())))
    found = set(source_messages["_of_module"]("some.module", ast.parse(MODULE), codes, lines))
    assert found == {
        Template("LSML-E112", "There is no job … here", "List them: …"),
        Template("LSML-E600", "Redis is full (…)", "Try again"),
        Template("LSML-E600", "Redis is away (…)", "Try again"),
        Template("LSML-E700", "Label Studio is away", ""),
        Template("LSML-E700", "It says …", ""),
    }


def test_most_messages_have_a_template() -> None:
    assert len(templates()) > 500
    without = set(by_code()) - {template.code for template in templates()}
    assert without == set(OTHERS)


def test_the_file_of_messages_is_that_of_the_source() -> None:
    assert FILE.read_text(encoding="utf-8") == as_json(source_messages["templates"]()), "run: make tables"


def test_the_refusal_of_the_search_is_no_message() -> None:
    assert not any("message with these words" in template.message for template in templates())
