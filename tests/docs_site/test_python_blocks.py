"""Each Python block of the pages runs, does what its page says, and has the values that its comments state.

A block that needs more than an import has a scenario in `scenarios/`, which gives it real controls and tasks, calls its
classes and functions, and asserts what they return. Packages that are not installed are stand-ins, named as such.
"""

from pathlib import Path

import pytest

from . import scenarios
from .blocks import Block, block_of, blocks
from .snippets import SCENARIOS, Snippet, scenarios_of, stated_values

BLOCKS = blocks("python")

ADVICE = (
    f"Add a function with @scenario({{page!r}}, 'the start of a line of the block') to a module in "
    f"{Path(scenarios.__file__).parent.name}/, which calls snippet.run(name=value, …) and what the block defines"
)


@pytest.fixture
def snippet(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_env: None) -> Snippet:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MODEL_DIR", str(tmp_path / "data"))
    return Snippet(block, tmp_path, monkeypatch)


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_python_block_runs(snippet: Snippet) -> None:
    found = scenarios_of(snippet.block)
    assert len(found) <= 1, "several scenarios are registered for this block: begin their lines differently"
    advice = ADVICE.format(page=snippet.block.page)
    with snippet.watched():
        if found:
            found[0](snippet)
        else:
            try:
                snippet.run()
            except NameError as error:
                pytest.fail(f"{snippet.block}: {error}. {advice}")
    missed = snippet.missed()
    assert not missed, "these statements did not run:\n" + "\n".join(missed) + f"\n{advice}"


def test_blocks_are_found() -> None:
    assert len(BLOCKS) >= 48
    assert block_of("docs/controls.md", "xml").text.startswith("<View>\n")


def test_each_scenario_has_one_block() -> None:
    counts = dict.fromkeys(SCENARIOS, 0)
    for block in BLOCKS:
        lines = [line.strip() for line in block.text.splitlines()]
        for page, start in SCENARIOS:
            counts[page, start] += page == block.page and any(line.startswith(start) for line in lines)
    assert {key: count for key, count in counts.items() if count != 1} == {}


def test_comments_that_state_values() -> None:
    text = 'a  # "Car"\nb  # None, with one warning\nc  # in pixels\nd  # "x", 2: both\ne\nf  # ["A"]\n'
    assert stated_values(text) == {1: "Car", 2: None, 4: ("x", 2), 6: ["A"]}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("1 + 1  # 3", "the page says 3, the value is 2"),
        ("for each in [1]:\n    each  # 2", "the page says 2, the value is 1"),
        ("import no_such_module", "No module named 'no_such_module'"),
        ("return names[0]", "name 'names' is not defined"),
    ],
)
def test_a_wrong_block_is_found(
    text: str, error: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises((AssertionError, ImportError, NameError), match=error):
        Snippet(Block("page.md", 7, "python", text), tmp_path, monkeypatch).run()


def test_a_statement_that_did_not_run_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "def f(x):\n    if x:\n        return 1\n    return 2\n\nclass A: ...\n"
    snippet = Snippet(Block("page.md", 7, "python", text), tmp_path, monkeypatch)
    with snippet.watched():
        found = snippet.methods()
        assert snippet.missed() == ["page.md:8: if x:", "page.md:9: return 1", "page.md:10: return 2"]
        assert found["f"](0) == 2
    assert snippet.missed() == ["page.md:9: return 1"]
