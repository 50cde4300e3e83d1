"""Print the records of an offline run of Weights & Biases as JSON; run by a Python that has wandb.

The file is a log as LevelDB writes it: blocks of 32 KiB with chunks, each with checksum, length and kind.
"""

import json
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wandb.proto.wandb_internal_pb2 import Record

BLOCK, HEADER, FILE_HEADER = 32 << 10, 7, 7
FULL, LAST = 1, 4


def records(data: bytes) -> Iterator[Any]:
    """Yield the records in the content of a file."""
    offset, parts = FILE_HEADER, b""
    while offset + HEADER <= len(data):
        left = BLOCK - offset % BLOCK
        if left < HEADER:
            offset += left
            continue
        _, length, kind = struct.unpack("<IHB", data[offset : offset + HEADER])
        parts += data[offset + HEADER : offset + HEADER + length]
        offset += HEADER + length
        if kind in (FULL, LAST):
            record = Record()
            record.ParseFromString(parts)
            parts = b""
            yield record


def values(items: Any) -> dict[str, Any]:
    """Return the values of history, config or summary by name."""
    named = {"/".join([*item.nested_key]) or item.key: item.value_json for item in items}
    return {name: json.loads(text) for name, text in named.items()}


def main() -> None:
    found: dict[str, Any] = {"metrics": [], "config": {}, "artifacts": [], "summary": {}, "exit": []}
    for record in records(Path(sys.argv[1]).read_bytes()):
        kind = record.WhichOneof("record_type")
        if kind == "history":
            found["metrics"].append(values(record.history.item))
        elif kind == "run":
            found["config"] |= values(record.run.config.update)
        elif kind == "config":
            found["config"] |= values(record.config.update)
        elif kind == "summary":
            found["summary"] |= values(record.summary.update)
        elif kind == "exit":
            found["exit"].append(record.exit.exit_code)
        artifact = record.artifact if kind == "artifact" else None
        if kind == "request" and record.request.WhichOneof("request_type") == "log_artifact":
            artifact = record.request.log_artifact.artifact
        if artifact is not None:
            paths = [entry.path for entry in artifact.manifest.contents]
            found["artifacts"].append([artifact.name, paths])
    print(json.dumps(found))


if __name__ == "__main__":
    main()
