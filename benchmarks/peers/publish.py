"""Publish versions of a project as a training would: `publish.py MODEL_DIR UID COUNT EVERY LOAD_SECONDS`.

Prints the monotonic time of each commit.
"""

import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.versions.store.manifest import Manifest, new_version_id

if __name__ == "__main__":
    model_dir, uid, count, every, load_seconds = sys.argv[1:]
    store = VersionStore(Path(model_dir))
    newest = store.newest(uid)
    fence = newest.fence if newest else 0
    for number in range(1, int(count) + 1):
        began = time.monotonic()
        version = new_version_id()
        (store.begin(uid, version) / "weights").write_bytes(b"0" * 1_000_000)
        store.publish(
            Manifest(
                id=version,
                name=f"version {number}",
                project=uid,
                fence=fence + number,
                created=datetime.now(UTC).isoformat(),
                train_output={"number": number, "load_seconds": float(load_seconds)},
            )
        )
        print(time.monotonic(), flush=True)
        time.sleep(max(0.0, began + float(every) - time.monotonic()))
