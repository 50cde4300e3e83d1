"""One example run in its three ways, and the row that tells of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from runner import backends
from runner.backends import BackendFailed
from runner.cases import Case, filled
from runner.checkout import Example
from runner.compare import compare
from runner.environments import Environments
from runner.session import Record, Session
from runner.studio import TOKEN, StudioStandIn
from runner.table import Row

START, GUNICORN, REFERENCE = "start", "gunicorn", "reference"


@dataclass
class Trial:
    """Runs one example below a temporary folder; logs and copies stay there."""

    example: Example
    case: Case
    environments: Environments
    place: Path

    def row(self) -> Row:
        """Run the example in each way and compare."""
        row = Row(self.example.name, self.example.generation)
        if self.case.because:
            row.notes.append(self.case.because)
            return row
        records = {way: self._record(way) for way in (START, GUNICORN)}
        reference = self._reference(row)
        row.start, row.gunicorn = (_outcome(records[way]) for way in (START, GUNICORN))
        for way, record in records.items():
            if record.broken:
                row.notes.append(f"{way}: {record.broken}")
        if reference is not None:
            self._compare(reference, records, row)
        row.notes = [note.replace(f"{self.place}/", "") for note in row.notes]
        return row

    def _reference(self, row: Row) -> Record | None:
        if self.environments.reference is None:
            row.notes.append(f"not compared: {self.environments.because}")
            return None
        record = self._record(REFERENCE)
        if not record.broken:
            return record
        row.notes.append(f"not compared: on the older package {record.broken}")
        return None

    def _compare(self, reference: Record, records: Mapping[str, Record], row: Row) -> None:
        verdicts = {way: compare(reference, record) for way, record in records.items() if not record.broken}
        good = len(verdicts) == len(records) and all(verdict.same for verdict in verdicts.values())
        row.same = "yes" if good else "no"
        for way, verdict in verdicts.items():
            row.notes += [f"{way}: {difference}" for difference in verdict.differences]
        row.notes += [note for verdict in verdicts.values() for note in verdict.improvements]

    def _record(self, way: str) -> Record:
        """Run the example in one way. What goes wrong is in the record."""
        place = self.place / way
        folder = self.example.copy_to(place)
        with StudioStandIn(self.case) as studio:
            words = {"studio": studio.url, "folder": str(folder)}
            for name, text in self.case.files.items():
                file = folder / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(filled(text, words))
            environment = self._environment(way, place, words)
            port = backends.free_port()
            command = self._command(way, folder, port)
            session = None
            try:
                log = place / "log.txt"
                with backends.running(command, folder, port, log, environment) as backend:
                    session = Session(backend, studio)
                    return session.run(trains=self.example.trains and bool(self.case.annotations))
            except BackendFailed as error:
                record = session.record if session is not None else Record()
                record.broken = str(error)
                return record

    def _command(self, way: str, folder: Path, port: int) -> list[str]:
        if way == START:
            return backends.start_command(self.environments.ours, folder, port)
        venv = self.environments.reference if way == REFERENCE else self.environments.ours
        assert venv is not None
        return backends.gunicorn_command(venv, folder, self.example.gunicorn_command)

    def _environment(self, way: str, place: Path, words: Mapping[str, str]) -> dict[str, str]:
        models = place / "models"
        models.mkdir()
        own = {name: str(filled(value, words)) for name, value in self.case.environment.items()}
        return {
            "MODEL_DIR": str(models),
            "LABEL_STUDIO_URL": words["studio"],
            "LABEL_STUDIO_HOST": words["studio"],
            "LABEL_STUDIO_HOSTNAME": words["studio"],
            "LABEL_STUDIO_API_KEY": TOKEN,
            "LABEL_STUDIO_ACCESS_TOKEN": TOKEN,
            "WORKERS": "1",
            "THREADS": "8",
            "PYTHONUNBUFFERED": "1",
            **self.environments.variables,
            **own,
        }


def _outcome(record: Record) -> str:
    """Return "ok" if the session came to its end with one prediction at least; others are for the comparison."""
    if record.broken:
        return "no"
    return "ok" if any(prediction.results is not None for prediction in record.predicted) else "no"
