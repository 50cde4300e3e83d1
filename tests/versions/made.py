"""Versions made without training, for tests of what becomes of them."""

from pathlib import Path
from typing import Any

from label_studio_ml.config.metric_gate import parse_gate
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.versions.store.manifest import Manifest

P = "7.1700000000"


class Made:
    """A model folder whose versions are made one after the other, named a, b, c … with the ids id-a, id-b …"""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = VersionStore(folder)
        self.fences: dict[str, int] = {}

    def add(self, name: str, *, gate: str = "", uid: str = P, **fields: Any) -> Manifest:
        """Publish a version as a run that began just now does, with what is served as its parent."""
        fence = self.fences[uid] = max(self.fences.get(uid, 0), self.store.fence(uid)) + 1
        served = self.store.served(uid)
        folder = self.store.begin(uid, f"id-{name}")
        (folder / "weights").write_text(f"weights of {name}")
        made = Manifest(
            id=f"id-{name}",
            name=name,
            project=uid,
            fence=fence,
            **{
                "created": "2026-01-01T00:00:00+00:00",
                "parent": served.name if served else "",
                **fields,
            },
        )
        return self.store.publish(made, gate=parse_gate(gate))

    def add_all(self, names: str) -> None:
        """Publish versions named by single letters; a capital one is held back."""
        for name in names:
            self.add(name.lower(), gate="x > 1" if name.isupper() else "")

    def served(self, uid: str = P) -> str:
        """Return the name of the served version, nothing if none is."""
        served = VersionStore(self.folder, pin=self.store.pin).served(uid)
        return served.name if served else ""

    def names(self, uid: str = P) -> str:
        """Return the names of the versions that are there."""
        return "".join(one.name for one in VersionStore(self.folder).versions(uid))

    def weights(self, name: str) -> Path:
        """Return a version's file."""
        return self.store.folder(P, f"id-{name}") / "weights"
