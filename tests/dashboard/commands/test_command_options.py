"""Values of options from requests become words of a command line that the command itself accepts, or are refused."""

from typing import Any

import pytest

from label_studio_ml.cli.main import parse
from label_studio_ml.dashboard.commands.command_table import COMMANDS, find_command
from label_studio_ml.errors import RequestError


@pytest.mark.parametrize(
    ("command", "values", "expected"),
    [
        ("predict", {}, {"where": [], "version": "", "dry_run": False, "shards": None}),
        ("predict", {"tasks": "all", "version": "", "where": [], "shards": None}, {"where": []}),
        (
            "predict",
            {"tasks": "unlabelled", "where": ["data.lang = en", "id > 3"], "version": "-x", "dry_run": True},
            {
                "where": ["total_annotations = 0", "data.lang = en", "id > 3"],
                "version": "-x",
                "dry_run": True,
            },
        ),
        ("predict", {"shards": 12}, {"shards": 12}),
        (
            "rank",
            {"by": "coverage", "top": 5, "no_select": True, "where": "id > 3"},
            {"by": "coverage", "top": 5, "no_select": True, "where": ["id > 3"]},
        ),
        ("evaluate", {"version": "v 1", "all": True}, {"version": "v 1", "all": True}),
        ("evaluate", {"test": 0.25, "ground_truth": True}, {"test": 0.25, "ground_truth": True}),
    ],
)
def test_the_command_takes_the_words(command: str, values: dict[str, Any], expected: dict[str, Any]) -> None:
    words = COMMANDS[command].words("/srv/my backend", "6.1710967805", values)
    parsed, unknown = parse(words)
    assert unknown == []
    assert parsed.project_name == "/srv/my backend"
    assert str(parsed.project) in ("6", "6.1710967805")
    assert {name: getattr(parsed, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("command", "values", "field", "message"),
    [
        ("predict", {"output": "/etc/passwd"}, "options.output", "no option of this command"),
        ("predict", {"shards": 0}, "options.shards", "from 1 to 10,000"),
        ("predict", {"shards": True}, "options.shards", "whole number"),
        ("predict", {"shards": "3"}, "options.shards", "whole number"),
        ("predict", {"version": 3}, "options.version", "a text"),
        ("predict", {"version": "x" * 201}, "options.version", "200 characters"),
        ("predict", {"version": "a\nb"}, "options.version", "a text"),
        ("predict", {"version": "\ud800"}, "options.version", "a text"),
        ("predict", {"dry_run": "yes"}, "options.dry_run", "true or false"),
        ("predict", {"where": ["data.x"]}, "options.where", "is not a condition"),
        ("predict", {"where": ["nonsense = 1"]}, "options.where", "is no column"),
        ("predict", {"where": [3]}, "options.where", "a text"),
        ("predict", {"where": ["id > 3"] * 21}, "options.where", "at most 20 conditions"),
        ("predict", {"tasks": "some"}, "options.tasks", "one of all, unlabelled"),
        ("predict", {"tasks": {}}, "options.tasks", "one of all, unlabelled"),
        ("rank", {"by": "luck"}, "options.by", "one of margin"),
        ("evaluate", {"test": 1}, "options.test", "between 0 and 1"),
        ("evaluate", {"test": float("nan")}, "options.test", "between 0 and 1"),
    ],
)
def test_wrong_values_are_refused_by_name(
    command: str, values: dict[str, Any], field: str, message: str
) -> None:
    with pytest.raises(RequestError, match=message) as refused:
        COMMANDS[command].words("/srv/backend", "1.1", values)
    assert refused.value.field == field


@pytest.mark.parametrize("name", ["train", "", None, ["predict"]])
def test_only_commands_of_the_table_are_started(name: Any) -> None:
    with pytest.raises(RequestError, match="command must be one of predict, rank, evaluate") as refused:
        find_command(name)
    assert refused.value.field == "command"


def test_a_project_or_folder_is_never_an_option() -> None:
    parsed, unknown = parse(COMMANDS["evaluate"].words("--all", "1.1", {}))
    assert unknown == []
    assert (parsed.project_name, parsed.all) == ("--all", False)


def test_the_page_gets_what_it_shows_of_each_option() -> None:
    for command in COMMANDS.values():
        described = command.describe()
        assert described["help"].endswith(".")
        for option in described["options"]:
            assert option["title"]
            assert option["help"]
            assert option["kind"] != "choice" or option["choices"]
