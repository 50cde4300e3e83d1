"""A named stand-in, and no more: the calls of MLflow's REST API that a tracked run makes, over HTTP."""

import json
from typing import Any

from studio.fake import Asked, FakeServer, Reply

API = "/api/2.0/mlflow"


class MlflowStandIn(FakeServer):
    """Keeps one run, whose `data` it answers with. Artifacts go to the folder `artifacts`."""

    def __init__(self, artifacts: str) -> None:
        super().__init__()
        self.runs: list[dict[str, Any]] = []
        self.params: dict[str, str] = {}
        self.tags: dict[str, str] = {}
        self.metrics: list[dict[str, Any]] = []
        self.statuses: list[str] = []
        self.deleted: list[str] = []
        self._artifacts = artifacts
        routes = {
            "experiments/get-by-name": self._experiment,
            "runs/search": lambda _: Reply.of({"runs": self.runs}),
            "runs/delete": self._delete,
            "runs/create": self._create,
            "runs/get": lambda _: Reply.of({"run": self.runs[0]}),
            "runs/update": self._update,
            "runs/log-batch": self._log_batch,
            "runs/set-tag": self._set_tag,
        }
        for name, route in routes.items():
            self.routes[f"{API}/{name}"] = route

    def end_connections(self) -> None:
        """Close each connection at its next request, as a server that has ended does; `stop` alone keeps those open."""
        self.routes = dict.fromkeys(self.routes, lambda _: Reply(raw=lambda _: None))

    def _experiment(self, asked: Asked) -> Reply:
        fields = {"experiment_id": "3", "name": asked.query["experiment_name"], "lifecycle_stage": "active"}
        return Reply.of({"experiment": fields})

    def _create(self, asked: Asked) -> Reply:
        body = json.loads(asked.body)
        info = {
            "run_id": "r1",
            "run_uuid": "r1",
            "run_name": body["run_name"],
            "experiment_id": body["experiment_id"],
            "status": "RUNNING",
            "artifact_uri": self._artifacts,
            "lifecycle_stage": "active",
        }
        self.runs = [{"info": info, "data": {}}]
        self._keep_tags({tag["key"]: tag["value"] for tag in body["tags"]})
        return Reply.of({"run": self.runs[0]})

    def _delete(self, asked: Asked) -> Reply:
        self.deleted.append(json.loads(asked.body)["run_id"])
        return Reply.of({})

    def _update(self, asked: Asked) -> Reply:
        self.statuses.append(json.loads(asked.body)["status"])
        return Reply.of({"run_info": self.runs[0]["info"]})

    def _log_batch(self, asked: Asked) -> Reply:
        body = json.loads(asked.body)
        self.params |= {param["key"]: param["value"] for param in body.get("params", [])}
        self.metrics += body.get("metrics", [])
        return Reply.of({})

    def _set_tag(self, asked: Asked) -> Reply:
        body = json.loads(asked.body)
        self._keep_tags({body["key"]: body["value"]})
        return Reply.of({})

    def _keep_tags(self, tags: dict[str, str]) -> None:
        self.tags |= tags
        self.runs[0]["data"]["tags"] = [{"key": key, "value": value} for key, value in self.tags.items()]
