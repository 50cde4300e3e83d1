"""The commands that can be started from the dashboard. A new one needs an entry in `COMMANDS` only."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from label_studio_ml.dashboard.commands.command_options import Option, arguments
from label_studio_ml.errors import RequestError

_VERSION = Option(
    "version", "Version", "Name or id of the version; empty for the served one", "--version", "text"
)
_WHERE = Option(
    "where",
    "Only tasks for which it holds",
    'A condition such as "total_annotations = 0" or "data.lang = en"; several must all hold',
    "--where",
    "conditions",
    placeholder="data.lang = en",
)


@dataclass(frozen=True, slots=True)
class DashboardCommand:
    """A command of `label-studio-ml` that works on one project, once at a time; `help` is one sentence for the page."""

    name: str
    title: str
    help: str
    options: tuple[Option, ...]

    def words(self, folder: str, project: str, values: Mapping[str, Any]) -> list[str]:
        """Return the command line for a backend's folder, a project's uid and values. Raises RequestError."""
        return [self.name, f"--project={project}", *arguments(self.options, values), "--", folder]

    def describe(self) -> dict[str, Any]:
        """Return what the page needs to show the command, as JSON values."""
        options = [option.describe() for option in self.options]
        return {"name": self.name, "title": self.title, "help": self.help, "options": options}


COMMANDS = {
    command.name: command
    for command in (
        DashboardCommand(
            "predict",
            "Predict tasks",
            "Stores predictions in Label Studio for the tasks that have none of this version; others keep theirs.",
            (
                Option(
                    "tasks",
                    "Tasks",
                    "Which of the tasks without a prediction of this version get one",
                    "--where",
                    "choice",
                    choices=(("all", "All tasks"), ("unlabelled", "Tasks without an annotation")),
                    words={"all": (), "unlabelled": ("--where=total_annotations = 0",)},
                ),
                _WHERE,
                _VERSION,
                Option(
                    "shards",
                    "Parts for workers",
                    "Let the workers predict the project in so many parts; empty: this server's model predicts",
                    "--shards",
                    "number",
                    most=10_000,
                ),
                Option(
                    "dry_run",
                    "Try only",
                    "Say what would be done and predict one task; nothing is stored",
                    "--dry-run",
                    "flag",
                ),
            ),
        ),
        DashboardCommand(
            "rank",
            "Rank tasks",
            "Orders the unlabelled tasks by what a label would teach, and stores the order as scores.",
            (
                Option(
                    "by",
                    "Order by",
                    "What the order goes by",
                    "--by",
                    "choice",
                    choices=(
                        ("margin", "Margin between the two best labels"),
                        ("entropy", "Entropy of all labels"),
                        ("least-confidence", "Least confidence"),
                        ("diversity", "Diversity of the tasks"),
                        ("coverage", "Coverage of the tasks"),
                    ),
                ),
                Option(
                    "top",
                    "Only the first",
                    "How many tasks get a score; empty for all (by coverage: 50)",
                    "--top",
                    "number",
                ),
                _WHERE,
                _VERSION,
                Option(
                    "no_select",
                    "Leave the project's settings",
                    'Store the scores, but do not let "Label All Tasks" use their order',
                    "--no-select",
                    "flag",
                ),
            ),
        ),
        DashboardCommand(
            "evaluate",
            "Evaluate a version",
            "Measures a version against annotations, by default of tasks that it was not trained on.",
            (
                _VERSION,
                Option(
                    "all",
                    "All annotated tasks",
                    "Also those that the version was trained on",
                    "--all",
                    "flag",
                ),
                Option(
                    "test",
                    "Share of tasks",
                    "Use the test part of annotations.split(test=SHARE), such as 0.2",
                    "--test",
                    "share",
                    placeholder="0.2",
                ),
                Option(
                    "ground_truth",
                    "Ground truth only",
                    "Use only annotations that are marked as ground truth",
                    "--ground-truth",
                    "flag",
                ),
            ),
        ),
        DashboardCommand(
            "value",
            "Measure the value of predictions",
            "Reads all annotations, and counts which predictions annotators accepted, changed and threw away.",
            (),
        ),
    )
}


def find_command(name: Any) -> DashboardCommand:
    """Return the command with this name. Raises RequestError if there is none."""
    command = COMMANDS.get(name) if isinstance(name, str) else None
    if command is None:
        raise RequestError(f"command must be one of {', '.join(COMMANDS)}", field="command")
    return command
