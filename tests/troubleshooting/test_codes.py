"""Each class of error has a code of its own that never changes, and an entry."""

import ast
import re
from pathlib import Path

import pytest

import label_studio_ml
from label_studio_ml.cli.main import parse
from label_studio_ml.troubleshooting.entries import Entry, by_code, groups

SOURCE = Path(label_studio_ml.__file__).parent

#: All codes. One that is gone stays here with an empty name: it never gets another meaning.
CODES = {
    "LSML-E001": "BackendError",
    "LSML-E100": "RequestError",
    "LSML-E101": "BodyTooLarge",
    "LSML-E102": "WrongContentType",
    "LSML-E103": "ForeignOrigin",
    "LSML-E104": "UnknownHost",
    "LSML-E110": "UnknownProject",
    "LSML-E111": "UnknownVersion",
    "LSML-E112": "UnknownJob",
    "LSML-E115": "JobEnded",
    "LSML-E116": "ProjectBusy",
    "LSML-E120": "NotAuthorized",
    "LSML-E121": "ReadOnlyLogin",
    "LSML-E200": "SettingsError",
    "LSML-E205": "Busy",
    "LSML-E210": "InterpreterError",
    "LSML-E220": "Unsupported",
    "LSML-E250": "LabelConfigError",
    "LSML-E300": "ModelError",
    "LSML-E310": "ModelFileError",
    "LSML-E320": "ModelLoadError",
    "LSML-E321": "NoLabelConfig",
    "LSML-E322": "ParamsError",
    "LSML-E330": "PredictError",
    "LSML-E335": "PredictionInvalid",
    "LSML-E340": "FitError",
    "LSML-E341": "TrainingDataError",
    "LSML-E342": "TrainingCancelled",
    "LSML-E345": "AnnotationsUnavailable",
    "LSML-E346": "TrialFailed",
    "LSML-E400": "ModelProcessDied",
    "LSML-E410": "CallerLeft",
    "LSML-E411": "RunnerClosed",
    "LSML-E412": "Superseded",
    "LSML-E420": "Overloaded",
    "LSML-E421": "DeadlineExceeded",
    "LSML-E430": "BackendDown",
    "LSML-E431": "BackendGone",
    "LSML-E432": "NoBackend",
    "LSML-E500": "VersionError",
    "LSML-E510": "StaleFence",
    "LSML-E520": "DecisionError",
    "LSML-E530": "StoreError",
    "LSML-E540": "_DamagedIdentity",
    "LSML-E600": "BrokerError",
    "LSML-E610": "SpoolFull",
    "LSML-E620": "FileCut",
    "LSML-E630": "ForeignQueue",
    "LSML-E640": "LeaseLost",
    "LSML-E650": "Crashed",
    "LSML-E651": "TrainingInterrupted",
    "LSML-E652": "Ended",
    "LSML-E700": "StudioError",
    "LSML-E710": "StudioAuthError",
    "LSML-E720": "StudioRefusedError",
    "LSML-E730": "StudioUnavailable",
    "LSML-E740": "Unsure",
    "LSML-E750": "FileFetchError",
    "LSML-E751": "_MissingError",
    "LSML-E760": "_NoPrediction",
    "LSML-E770": "Interrupted",
}


#: A class that may be an error. Modules without one need not be parsed.
_SUBCLASS = re.compile(
    rf"^ *class \w+\([^)]*({'|'.join({*filter(None, CODES.values())})}|Exception)\b", re.MULTILINE
)


def _error_classes() -> list[ast.ClassDef]:
    """Return every class of the package that is a BackendError, by the names of its bases."""
    sources = [path.read_text() for path in SOURCE.rglob("*.py")]
    trees = [ast.parse(source) for source in sources if _SUBCLASS.search(source)]
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    names: set[str] = {"BackendError"}
    found: dict[int, ast.ClassDef] = {}
    while True:
        more = {
            id(node): node
            for node in classes
            if node.name == "BackendError"
            or any(ast.unparse(base).split(".")[-1] in names for base in node.bases)
        }
        if len(more) == len(found):
            return list(more.values())
        found, names = more, names | {node.name for node in more.values()}


def _own_code(node: ast.ClassDef) -> str:
    assigned = [ast.unparse(statement) for statement in node.body if isinstance(statement, ast.Assign)]
    return next((line.partition(" = ")[2].strip("'") for line in assigned if line.startswith("code = ")), "")


def test_each_error_has_a_code_of_its_own_that_has_not_changed() -> None:
    pairs = sorted((_own_code(node), node.name) for node in _error_classes())
    expected = [(code, name) for code, name in sorted(CODES.items()) if name]
    assert pairs == expected, "a new error gets a free code here, in its class, and an entry in entries/*.md"


def test_each_code_has_an_entry_and_no_other_has_one() -> None:
    assert sorted(by_code()) == [code for code, name in CODES.items() if name]
    assert sum(len(group.entries) for group in groups()) == len(by_code()), "a code has one entry"


def test_no_two_errors_have_the_same_name() -> None:
    names = [name for name in CODES.values() if name]
    assert sorted(names) == sorted(set(names))


_ITEM = re.compile(r"^- (.+(?:\n  .+)*)", re.MULTILINE)


@pytest.mark.parametrize("entry", by_code().values(), ids=lambda entry: entry.code)
def test_an_entry_says_what_it_means_its_causes_and_what_to_do(entry: Entry) -> None:
    meaning, _, rest = entry.text.partition("Causes:")
    causes, actions = (_ITEM.findall(part) for part in rest.split("What to do:"))
    assert entry.title
    assert causes
    assert actions
    assert all(re.search(r"[.!…`)]$", text) for text in (meaning.strip(), *causes, *actions))


_PLACEHOLDERS = {"JOB": "20261123-141530-9f3a1b", "VERSION": "20261123-141530-9f3a"}


#: The commands that entries name. Those with --help end the process that parses them.
_COMMANDS = {
    line
    for entry in by_code().values()
    for line in re.findall(r"`(label-studio-ml [^`]+)`", entry.text)
    if "--help" not in line
}


@pytest.mark.parametrize("line", sorted(_COMMANDS))
def test_a_command_of_an_entry_is_one(line: str) -> None:
    words = [_PLACEHOLDERS.get(word, word) for word in line.split()[1:]]
    _, unknown = parse(words)
    assert not unknown


def test_an_entry_links_to_pages_and_headings_that_are_there() -> None:
    """The build of the site checks this too, but is not part of every run."""
    docs = SOURCE.parent.parent / "docs"
    links = {link for entry in by_code().values() for link in re.findall(r"\]\(([^)]+)\)", entry.text)}
    assert links
    for link in links:
        page, _, anchor = link.partition("#")
        headings = re.findall(r"^#+ (.+)$", (docs / page).read_text(), re.MULTILINE)
        slugs = {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}
        assert not anchor or anchor in slugs, link
