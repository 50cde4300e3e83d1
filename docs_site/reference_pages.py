"""The generated pages: the reference of commands, settings, metrics, calls, Redis keys, Python.

They are made from what the code itself declares, so none of them can be out of date.
"""

import argparse
import re
import runpy
from collections.abc import Iterator
from pathlib import Path

from label_studio_ml.cli.examples import epilog
from label_studio_ml.cli.main import GROUPS, Command, add_arguments
from label_studio_ml.config.file_settings import FileSettings
from label_studio_ml.config.settings import Settings
from label_studio_ml.monitoring.counters import Counts
from label_studio_ml.monitoring.prometheus import ServerFigures, Training, render
from label_studio_ml.openapi.api_document import document
from label_studio_ml.training.redis import keys

ROOT = Path(__file__).resolve().parent.parent

#: The module of the exceptions.
ERRORS = "label_studio_ml.errors"

#: Modules whose public names are the interface for model files, with what they are for.
MODULES = {
    "label_studio_ml.model": "The base class",
    "label_studio_ml.controls": "The label config as objects",
    "label_studio_ml.regions": "From a model's output to regions, and back",
    "label_studio_ml.targets": "Annotations as typed examples",
    "label_studio_ml.inputs": "What a task shows",
    "label_studio_ml.training.job": "The running training, as `fit` gets it",
    "label_studio_ml.callbacks": "Callbacks of training libraries",
    "label_studio_ml.params": "Parameters of a class",
    "label_studio_ml.response": "The response of the later generation",
    "label_studio_ml.active": "What to label next",
    "label_studio_ml.samples": "Sample tasks",
    "label_studio_ml.cache": "Stored key/value pairs",
    "label_studio_ml.utils": "Helper functions of older releases",
    "label_studio_ml.api": "A backend as a WSGI application",
}


def pages() -> dict[str, str]:
    """Return the text of each page in Markdown, by its place on the site."""
    return {
        "reference/commands.md": commands(),
        "reference/settings.md": settings(),
        "reference/metrics.md": metrics(),
        "reference/http.md": http_calls(),
        "reference/redis.md": redis_keys(),
        "reference/python/index.md": python(),
        **{python_page(module): f"# {module}\n\n::: {module}\n" for module in (*MODULES, ERRORS)},
    }


def commands() -> str:
    """Return a section for each command, with its options as the command line declares them."""

    def lines() -> Iterator[str]:
        yield "# Commands\n"
        yield "`label-studio-ml COMMAND --help` prints the same. Each command returns 0 if it has done its work, 1"
        yield "with a line on standard error if it has failed, 2 for a wrong command line, and 130 after Ctrl-C.\n"
        for heading, members in GROUPS.items():
            yield f"## {heading[0].upper()}{heading[1:]}\n"
            for command in members:
                yield from _command(command)

    return "\n".join(lines()) + "\n"


def _command(command: Command) -> Iterator[str]:
    parser = argparse.ArgumentParser(prog=f"label-studio-ml {command.name}", allow_abbrev=False)
    add_arguments(command, parser)
    yield f"### {command.name}\n"
    help_text = f"{command.help[0].upper()}{command.help[1:]}"
    also = f" `{'`, `'.join(command.aliases)}` is another name of it." if command.aliases else ""
    yield f"{help_text.removesuffix('.')}.{also}\n"
    yield f"```text\n{parser.format_usage().removeprefix('usage: ').strip()}\n```\n"
    formatter = parser._get_formatter()
    rows = []
    for action in parser._actions:
        if action.help == argparse.SUPPRESS or isinstance(action, argparse._HelpAction):
            continue
        name = ", ".join(action.option_strings) or formatter._metavar_formatter(action, action.dest)(1)[0]
        value = formatter._format_args(action, action.dest.upper()) if action.nargs != 0 else ""
        word = f"{name} {value}" if action.option_strings and value else name
        rows.append(f"| `{_cell(word)}` | {_cell(formatter._expand_help(action) if action.help else '')} |")
    if rows:
        yield "\n".join(["| argument | meaning |", "| --- | --- |", *rows, ""])
    if examples := epilog(command.name):
        yield f"```text\n{examples}\n```\n"


def _cell(text: str) -> str:
    """Return text for a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def settings() -> str:
    """Return the tables of all environment variables."""
    tables = runpy.run_path(str(ROOT / "scripts" / "settings_tables"))

    def rows(cls: type) -> Iterator[str]:
        yield "| variable | meaning | default |"
        yield "| --- | --- | --- |"
        for name, (variable, default) in tables["rows"](cls).items():
            meaning = variable.meaning.replace("](#", "](../production.md#")
            meaning = re.sub(r"\]\((?!\.\./|https?:)", "](../", meaning)
            mark = " †" if variable.secret else ""
            yield f"| `{name}`{mark} | {meaning} | {tables['default_text'](variable, default)} |"

    return "\n".join(
        [
            "# Settings\n",
            "All settings are environment variables. Those marked † may also be given as `NAME_FILE`, the path of a",
            "file with the value.\n",
            "## Server, models and trainings\n",
            *rows(Settings),
            "\n## Files of tasks\n",
            *rows(FileSettings),
            "",
        ]
    )


def metrics() -> str:
    """Return the table of the metrics at `/metrics`."""
    text = render(Counts(), ServerFigures("", training=Training())).decode()
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    return "\n".join(
        [
            "# Metrics\n",
            "`/metrics` has these in Prometheus' text format. Those of trainings are the same on each server that",
            "uses the same Redis.\n",
            "| metric | kind | meaning |",
            "| --- | --- | --- |",
            *(
                f"| `{name}` | {kinds[name]} | {_cell(meaning)} |"
                for name, meaning in re.findall(r"^# HELP (\S+) (.*)$", text, re.MULTILINE)
            ),
            "",
        ]
    )


def http_calls() -> str:
    """Return the tables of the calls that a server answers, from its OpenAPI document."""
    described = document()

    def lines() -> Iterator[str]:
        yield "# HTTP calls\n"
        yield "`label-studio-ml openapi` prints the OpenAPI document with the parameters, bodies and answers of these"
        yield "calls, and each server has it at [`/openapi.json`](../http.md#all-calls-as-an-openapi-document).\n"
        for tag in described["tags"]:
            yield f"## {tag['name']}\n\n{tag['description']}.\n"
            yield "| call | what it does | statuses |"
            yield "| --- | --- | --- |"
            for path, operations in described["paths"].items():
                for method, operation in operations.items():
                    if operation["tags"] == [tag["name"]]:
                        words = f"{operation['summary']}. {operation.get('description', '')}".strip()
                        statuses = ", ".join(sorted(operation["responses"]))
                        yield f"| `{method.upper()} {path}` | {_cell(words)} | {statuses} |"
            yield ""

    return "\n".join(lines())


def redis_keys() -> str:
    """Return the table of the keys in Redis, from the documentation of the module that names them."""
    _, _, rest = (keys.__doc__ or "").partition("\n\n")
    entries = re.findall(r"^    (\S+(?: \S+)*?)  +(.*(?:\n {20,}.*)*)", rest, re.MULTILINE)
    prose = [part for part in rest.split("\n\n") if not part.startswith("    ")]
    return "\n".join(
        [
            "# Keys in Redis\n",
            f"{prose[0]}\n",
            "| key | what it holds |",
            "| --- | --- |",
            *(f"| `{name}` | {_cell(meaning)} |" for name, meaning in entries),
            "",
            *prose[1:],
            "",
        ]
    )


def python() -> str:
    """Return the list of the public modules."""
    return "\n".join(
        [
            "# Python\n",
            "The modules that model files import.\n",
            "| module | what it has |",
            "| --- | --- |",
            *(
                f"| [{module}]({Path(python_page(module)).name}) | {title} |"
                for module, title in {**MODULES, ERRORS: "The exceptions"}.items()
            ),
            "",
        ]
    )


def python_page(module: str) -> str:
    """Return the place of a module's page, which mkdocstrings fills."""
    return f"reference/python/{module.removeprefix('label_studio_ml.')}.md"
