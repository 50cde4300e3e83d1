"""Routes and topics of commands: start, list, follow and cancel them."""

from typing import Any

import msgspec

from label_studio_ml.dashboard.commands import command_calls
from label_studio_ml.dashboard.commands.command_runs import CommandRuns
from label_studio_ml.dashboard.commands.command_table import COMMANDS
from label_studio_ml.dashboard.errors.log_records import shown_lines
from label_studio_ml.dashboard.page_request import PageRequest, Route, Topic
from label_studio_ml.errors import RequestError, UnknownJob, UnknownProject
from label_studio_ml.http_server.messages import Response, json_response
from label_studio_ml.reports.command_record import CommandRecord
from label_studio_ml.reports.command_records import CommandRecords
from label_studio_ml.web.project_registry import ProjectRegistry
from label_studio_ml.web.threads import Threads

#: The most commands in one answer.
MAX_LISTED = 50


class CommandsPart:
    """The commands of a backend. Any server lists and cancels those of all; `runs` are those of this one.

    Topics: `commands` (all, or `commands:PROJECT`) and `command:ID`, with its last lines of output.
    """

    def __init__(self, runs: CommandRuns, records: CommandRecords, projects: ProjectRegistry) -> None:
        self._runs = runs
        self._records = records
        self._projects = projects
        self._threads = Threads(2, "commands")
        self.routes = (
            Route(command_calls.LIST_COMMANDS, self._list),
            Route(command_calls.START_COMMAND, self._start),
            Route(command_calls.COMMAND, self._one),
            Route(command_calls.CANCEL_COMMAND, self._cancel),
        )
        self.topics = (Topic("commands", self.listed), Topic("command", self.detailed))

    async def listed(self, project: str, limit: int = MAX_LISTED) -> list[dict[str, Any]]:
        """Return the newest commands of a project, of all projects if it is empty. Raises BrokerError."""
        records = await self._threads.run(self._records.recent, project, limit)
        return [_described(record) for record in records]

    async def detailed(self, command_id: str) -> dict[str, Any]:
        """Return a command with its last lines of output, without tracebacks. Raises UnknownJob and BrokerError."""
        return await self._read(command_id, tracebacks=False)

    async def _read(self, command_id: str, *, tracebacks: bool) -> dict[str, Any]:
        record = await self._threads.run(self._records.get, command_id)
        if record is None:
            raise UnknownJob(f"There is no command {command_id}", field="id")
        lines = await self._threads.run(self._records.output, command_id)
        return {**_described(record), "lines": shown_lines(lines, tracebacks=tracebacks)}

    async def close(self) -> None:
        """End the commands of this server."""
        await self._threads.run(self._runs.stop)

    async def _list(self, request: PageRequest) -> Response:
        limit = request.number("limit", MAX_LISTED, least=1, most=MAX_LISTED)
        commands = await self.listed(request.query("project"), limit)
        available = [command.describe() for command in COMMANDS.values()]
        return json_response(200, {"commands": commands, "available": available})

    async def _one(self, request: PageRequest) -> Response:
        """Return a command with its last lines of output; operators see tracebacks."""
        answer = await self._read(request.path["id"], tracebacks=request.session.operator)
        return json_response(200, answer)

    async def _start(self, request: PageRequest) -> Response:
        options = request.fields().get("options") or {}
        if not isinstance(options, dict):
            raise RequestError("options must be an object", field="options")
        uid = request.text("project")
        project = await self._projects.get(uid)
        if project is None:
            raise UnknownProject(f"There is no project {uid}", field="project")
        record = await self._threads.run(
            self._runs.start, request.text("command"), project, options, user=request.session.name
        )
        return json_response(201, _described(record))

    async def _cancel(self, request: PageRequest) -> Response:
        user = request.session.name
        record = await self._threads.run(self._records.cancel, request.path["id"], user)
        return json_response(202, _described(record))


def _described(record: CommandRecord) -> dict[str, Any]:
    title = COMMANDS[record.command].title if record.command in COMMANDS else record.command
    fields: dict[str, Any] = msgspec.to_builtins(record)
    return {**fields, "title": title, "active": record.active}
