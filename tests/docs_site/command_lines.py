"""The command lines of ours in the pages, in code blocks and in sentences, and which test runs each of them."""

import re
import shlex
from collections.abc import Iterator
from functools import cache

from label_studio_ml.cli.main import COMMANDS

from .blocks import BLOCK, PAGES, ROOT, blocks_of

#: Pages whose sentences are read, too; they have no code blocks with commands.
OTHER_PAGES = [
    *("CHANGELOG.md", "SECURITY.md", "benchmarks/RESULTS.md"),
    *sorted(
        path.relative_to(ROOT).as_posix()
        for path in ROOT.glob("src/label_studio_ml/troubleshooting/entries/*.md")
    ),
]
#: What follows a command: an explanation after several blanks or a number sign.
_EXPLANATION = re.compile(r"(?<=\S)(?: {3,}\S| +# ).*")
#: What separates the commands of a line.
_SEPARATORS = {"|", "&&", "||", ";", "&", ">", ">>", "<", "2>&1"}
#: Names of all commands.
NAMES = {name for command in COMMANDS for name in (command.name, *command.aliases)}


@cache
def command_lines() -> frozenset[str]:
    """Return each distinct command of ours in the code blocks, with its variables and without its explanation."""
    programs = ("python", "json", "xml")
    texts = [block.text for page in PAGES for block in blocks_of(page) if block.language not in programs]
    lines = [line for text in texts for line in text.replace("\\\n", " ").splitlines()]
    return frozenset(command for line in lines for command in commands_in(line))


@cache
def mentioned_lines() -> frozenset[str]:
    """Return each distinct command of ours between backticks in the sentences and tables of the pages.

    Such a text begins with `label-studio-ml`, or with the name of a command that options or a folder follow.
    """
    texts = [BLOCK.sub("", (ROOT / page).read_text(encoding="utf-8")) for page in [*PAGES, *OTHER_PAGES]]
    spans = [" ".join(span.split()) for text in texts for span in re.findall(r"`([^`]+)`", text)]
    short = re.compile(rf"({'|'.join(sorted(NAMES))}) (?=--[a-z]|my_backend|DIR\b)")
    full = [f"label-studio-ml {span}" if short.match(span) else span for span in spans]
    return frozenset(command for span in full for command in commands_in(span))


def without_explanation(line: str) -> str:
    """Return a line of the shell without what explains it, and without blanks around it."""
    return _EXPLANATION.sub("", line).strip()


def commands_in(line: str) -> Iterator[str]:
    """Yield the commands of ours in a line of the shell. Raises ValueError if one has an open quotation mark."""
    line = without_explanation(line)
    if not re.search(r"label-studio-ml +[a-z]", line):
        return
    lexer = shlex.shlex(line, posix=False, punctuation_chars="|&;<>")
    lexer.whitespace_split, lexer.commenters = True, ""
    words: list[str] = []
    for word in [*lexer, ";"]:
        if word not in _SEPARATORS:
            words.append(word)
            continue
        if arguments(" ".join(words)):
            yield " ".join(words).removeprefix("$ ")
        words = []


def arguments(line: str) -> list[str]:
    """Return what follows our command in a line; nothing if that is no name of a command."""
    words = shlex.split(line)
    ours = [at for at, word in enumerate(words) if word.rpartition("/")[2] == "label-studio-ml"]
    found = words[ours[0] + 1 :] if ours and words[0] != "pip" else []
    return found if found and re.fullmatch("[a-z]+", found[0]) else []


#: The test that runs many of the lines as they are on the page, in one order, against one backend.
IN_ORDER = "tests/e2e/test_documented_commands.py"

#: Lines that it runs. Placeholders and addresses are replaced by what they stand for.
RUN_IN_ORDER = {
    "label-studio-ml init my_backend",
    "label-studio-ml test my_backend",
    "label-studio-ml start my_backend --check --label-config labels.xml",
    "label-studio-ml start my_backend --check",
    "label-studio-ml start my_backend",
    "PREDICT_AFTER_TRAINING=all label-studio-ml start my_backend",
    "label-studio-ml open my_backend",
    "label-studio-ml connect my_backend --project 7",
    "label-studio-ml connect my_backend --project 8",
    "label-studio-ml connect my_backend --project 7 --interactive",
    "label-studio-ml connect my_backend --url http://localhost:8080 --project 1",
    "label-studio-ml connect my_backend --url http://localhost:8080 --project 7",
    "label-studio-ml connect my_backend --url http://localhost:8080 --project 7 --no-prelabel",
    "label-studio-ml doctor my_backend --url http://localhost:8080 --project 1",
    "label-studio-ml train my_backend",
    "label-studio-ml train my_backend --cancel-on-interrupt",
    "label-studio-ml train my_backend --from-version 20261123-141530-9f3a",
    "label-studio-ml jobs my_backend",
    "label-studio-ml jobs my_backend --json",
    "label-studio-ml jobs my_backend --follow JOB",
    "label-studio-ml jobs my_backend --parked",
    "label-studio-ml jobs my_backend --retry",
    "label-studio-ml cancel my_backend JOB",
    "label-studio-ml versions my_backend",
    "label-studio-ml delete my_backend VERSION…",
    "label-studio-ml push my_backend s3://bucket/prefix --model-dir data",
    "label-studio-ml evaluate my_backend --project 7",
    "label-studio-ml evaluate my_backend --project 7 --curve",
    "label-studio-ml evaluate my_backend --project 7 --doubtful 100",
    "label-studio-ml predict my_backend --project 7",
    'label-studio-ml predict my_backend --project 7 --where "id in 1..20"',
    "label-studio-ml predict my_backend --project 7 --shards 16",
    "label-studio-ml predict my_backend --input tasks.json --output predicted.json --label-config config.xml",
    "label-studio-ml rank my_backend --project 7",
    "label-studio-ml value my_backend --project 1",
    "label-studio-ml tokens add prometheus",
    "label-studio-ml tokens list",
    "label-studio-ml tokens revoke prometheus",
    "label-studio-ml openapi openapi.json",
    "label-studio-ml projects my_backend",
    "label-studio-ml projects forget my_backend 7.1700000000 [--yes] [--with-versions]",
    "label-studio-ml conformance http://localhost:9090",
    "label-studio-ml conformance http://localhost:9090 --label-config config.xml --tasks tasks.json --train",
}

#: Lines of sentences and tables that it runs, too: of the others, most have no arguments.
MENTIONED_IN_ORDER = {
    "label-studio-ml examples",
    "label-studio-ml promote my_backend VERSION",
    "label-studio-ml promote my_backend VERSION --pin",
    "label-studio-ml unpin my_backend",
    "label-studio-ml rollback my_backend",
    "label-studio-ml export my_backend VERSION --output FILE.tar.gz",
    "label-studio-ml import my_backend FILE.tar.gz",
    "label-studio-ml push my_backend s3://bucket/prefix [VERSION…]",
    "label-studio-ml pull my_backend s3://bucket/prefix [VERSION…]",
}

#: Helpers of other tests, which begin their commands.
_BACKEND, _JOURNEY = "tests/e2e/backend.py", "tests/e2e/gallery/journey.py"

#: Lines whose command another test runs with these options, with other names, numbers, addresses and hosts: the test's
#: file, then those of helpers that have a part of the command. Tests in tests/e2e/gallery that need heavy packages and
#: weights are run by `make gallery`, tests/training/test_real_trackers.py is run by `make soak`.
RUN_ELSEWHERE = {
    "label-studio-ml init my_backend --project 7 --install": ("tests/e2e/gallery/test_tabular.py", _JOURNEY),
    "label-studio-ml init my_backend --project 7 --url http://localhost:8080 --install": (
        "tests/e2e/gallery/test_tabular.py",
        _JOURNEY,
    ),
    "label-studio-ml init my_backend --project 7 --install --example change-points": (
        "tests/e2e/gallery/test_change_points.py",
        _JOURNEY,
    ),
    "label-studio-ml init my_backend --project 7 --install --example llm": (
        "tests/e2e/gallery/test_llm.py",
        _JOURNEY,
    ),
    "label-studio-ml init my_backend --project 7 --install --example remote": (
        "tests/e2e/gallery/test_remote.py",
        _JOURNEY,
    ),
    "label-studio-ml init my_backend --project 7 --install --example zero-shot-texts": (
        "tests/e2e/gallery/test_zero_shot_texts.py",
        _JOURNEY,
    ),
    "SERVER_URL=http://localhost:8000 SERVER_MODEL=wine label-studio-ml start my_backend": (
        "tests/e2e/gallery/test_remote.py",
        "tests/e2e/gallery/wine_servers.py",
        _BACKEND,
    ),
    "PREDICT_AFTER_TRAINING=unlabelled label-studio-ml start my_backend": (
        "tests/e2e/test_afresh.py",
        _BACKEND,
    ),
    "TRACKER=mlflow MLFLOW_TRACKING_URI=http://localhost:5000 label-studio-ml start my_backend": (
        "tests/training/test_real_trackers.py",
        _BACKEND,
    ),
    "TRACKER=wandb label-studio-ml start my_backend": ("tests/training/test_real_trackers.py", _BACKEND),
    "TRACKER=tensorboard label-studio-ml start my_backend": ("tests/training/test_trackers.py", _BACKEND),
    "label-studio-ml connect my_backend --url http://localhost:8080 --new Messages --label-config labels.xml "
    "--tasks tasks.json": ("tests/e2e/test_tutorial.py",),
    "label-studio-ml predict my_backend --project 1": ("tests/e2e/test_tutorial.py",),
    "label-studio-ml start texts_backend --port 9090": ("tests/runtime/test_two_backends.py", _BACKEND),
    "label-studio-ml start pictures_backend --port 9091": ("tests/runtime/test_two_backends.py", _BACKEND),
    "label-studio-ml serve my_backend --host 0.0.0.0": ("tests/runtime/test_roles.py",),
    "label-studio-ml worker my_backend --workers 2": ("tests/runtime/test_roles.py",),
    "label-studio-ml start DIR": ("tests/e2e/test_tutorial.py",),
    "label-studio-ml agent my_backend --url https://app.example.com --project 7": (
        "tests/e2e/test_agent.py",
    ),
    "label-studio-ml start DIR --tls-cert cert.pem --tls-key key.pem": (
        "tests/runtime/test_start_with_tls.py",
    ),
    "label-studio-ml serve DIR --host 0.0.0.0": ("tests/runtime/test_roles.py",),
    "label-studio-ml worker DIR --workers 2": ("tests/runtime/test_roles.py",),
    "label-studio-ml worker my_backend": ("tests/runtime/test_roles.py",),
}

#: Lines that no test runs, with the reason. test_command_lines.py holds their options against the command line.
NOT_RUN = {
    "ROOT_PATH=/ml label-studio-ml serve my_backend": (
        "needs the proxy of the page in front of it; tests/runtime/test_supervisor.py runs `start --root-path /ml`"
    ),
    "label-studio-ml connect my_backend --url … --project 1 --backend-url https://example.com/ml": (
        "needs a public host with a certificate and a proxy"
    ),
    "label-studio-ml connect my_backend --url … --project 1 --backend-url https://ml.example.com": (
        "needs a public host with a certificate and a proxy"
    ),
    "CUDA_VISIBLE_DEVICES=0,1 label-studio-ml start my_backend --model-workers 2": (
        "needs two GPUs; tests/serving/test_limits.py shows which of them each process gets"
    ),
    "ExecStart=/opt/label-studio-ml/bin/label-studio-ml start /srv/label-studio-ml/my_backend --host 127.0.0.1": (
        "systemd runs it, as a user of its own"
    ),
}


def words_to_find(line: str) -> list[str]:
    """Return the words of a line that a test has to contain if it runs the line with other names and addresses.

    These are variables with their values, the command, the options and the name of an example. Addresses are left out.
    """
    before, _, after = line.partition("label-studio-ml ")
    pairs = [pair.split("=", 1) for pair in before.split()]
    values = [value for _, value in pairs if "://" not in value]
    options = re.findall(r"(?<= )--[a-z-]+", after)
    examples = re.findall(r"(?<=--example )\S+", after)
    return [*(name for name, _ in pairs), *values, after.split()[0], *options, *examples]
