"""A run as event files for TensorBoard, written by `tensorboardX`, or by `torch.utils.tensorboard` without it."""

import html
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from label_studio_ml.trackers.messages import RunDescription, RunLink, RunResult
from label_studio_ml.trackers.tracked_run import metrics_of, whole_step


def import_client() -> Any:
    """Import and return the class that writes event files. Raises ImportError without a package that has one."""
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise ModuleNotFoundError("No module named 'tensorboardX'", name="tensorboardX") from None
    return SummaryWriter


def open_run(description: RunDescription) -> "TensorboardRun":
    """Open an event file in the folder of the run. Raises ImportError without a package that writes it."""
    folder = Path(description.tensorboard_dir) / description.name
    # The name of a file has only the second in which it was made.
    writer = import_client()(str(folder), flush_secs=1, filename_suffix=f".{secrets.token_hex(4)}")
    return TensorboardRun(writer, folder, description)


class TensorboardRun:
    """One run in a folder of event files."""

    stores_files = False

    def __init__(self, writer: Any, folder: Path, description: RunDescription) -> None:
        self._writer = writer
        self._folder = folder
        self._tags = description.tags
        self._params: dict[str, str] = {}
        self._page = description.page

    @property
    def link(self) -> RunLink:
        """The folder of the run, and TensorBoard's page if its address is set."""
        url = f"{self._page}/#timeseries&regexInput={self._folder.name}" if self._page else ""
        return RunLink(run=self._folder.name, url=url, place=str(self._folder))

    def log_params(self, params: Mapping[str, str]) -> None:
        """Write all parameters so far as a table under Text."""
        self._params = {**params, **self._params}
        self._write_table("parameters", {**self._params, **self._tags})

    def log_points(self, points: Sequence[Mapping[str, Any]]) -> None:
        """Write points of metrics as scalars."""
        for point in points:
            seconds = datetime.fromisoformat(point["time"]).timestamp()
            for name, value in metrics_of(point).items():
                self._writer.add_scalar(name, value, whole_step(point), walltime=seconds)
        self._writer.flush()

    def log_folder(self, folder: Path, result: RunResult) -> None:
        """Do nothing: event files hold no files. The version's name is in the table that `log_result` writes."""

    def remove_old_files(self, result: RunResult) -> None:
        """Do nothing: event files hold no files."""

    def log_result(self, result: RunResult) -> None:
        """Write how the run ended as a table under Text."""
        rows = {"status": result.status, "version": result.version, "message": result.message}
        self._write_table("result", {name: text for name, text in rows.items() if text})

    def close(self, result: RunResult) -> None:
        """Close the file."""
        self._writer.close()

    def _write_table(self, name: str, rows: Mapping[str, str]) -> None:
        lines = [f"| {_cell(row)} | {_cell(text)} |" for row, text in rows.items()]
        self._writer.add_text(name, "\n".join(["| | |", "| --- | --- |", *lines]), 0)
        self._writer.flush()


def _cell(text: str) -> str:
    """Return `text` for a cell of a Markdown table."""
    return html.escape(" ".join(text.split())).replace("|", "&#124;")
