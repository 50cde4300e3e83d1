"""Cache of computed values: a folder that processes share, and the memory of this process.

Values are kept packed and unpacked for every use, so that code that changes an array in place changes its own copy.
"""

import contextlib
import functools
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from label_studio_ml.config.settings import Settings
from label_studio_ml.model_api.computed.packed_values import DamagedValue, pack, unpack, verify
from label_studio_ml.storage.file_cache import FileCache, StillBeingWritten
from label_studio_ml.studio.addresses.local_files import user_cache

logger = logging.getLogger(__name__)

#: Name of the folder in MODEL_DIR, and in the user's cache for models that are created outside a backend.
FOLDER = "once"

#: Seconds to wait for another process that computes the same value, before this one computes it itself.
WAIT = 120.0


class MemoryCache:
    """Packed values by name, at most `limit` bytes of them; the least recently used ones are evicted. Thread-safe."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._values: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: str) -> bytes | None:
        """Return the value `name`, None if it is not in the cache."""
        with self._lock:
            if name not in self._values:
                return None
            self._values.move_to_end(name)
            return self._values[name]

    def put(self, name: str, packed: bytes) -> None:
        """Keep a value, unless it is larger than the whole cache."""
        if len(packed) > self._limit:
            return
        with self._lock:
            self._size += len(packed) - len(self._values.pop(name, b""))
            self._values[name] = packed
            while self._size > self._limit:
                self._size -= len(self._values.popitem(last=False)[1])


# Shared by all models of a process, which follow each other with every version.
_shared_memory = functools.lru_cache(maxsize=4)(MemoryCache)


@dataclass(frozen=True, slots=True)
class ValueCache:
    """A cache of computed values in `folder`, of at most `limit` bytes (0: none on the disk), and in `memory`."""

    folder: Path
    limit: int
    memory: MemoryCache = field(repr=False)

    @classmethod
    def of(cls, settings: Settings, folder: Path) -> "ValueCache":
        """Return the cache in `folder` with the limits in `settings`."""
        return cls(folder, settings.once_cache_bytes, _shared_memory(settings.once_memory_bytes))

    @classmethod
    def in_backend(cls, settings: Settings) -> "ValueCache":
        """Return the cache of a backend, in its model folder."""
        return cls.of(settings, settings.model_dir / FOLDER)

    def get(self, name: str, compute: Callable[[], Any]) -> Any:
        """Return the value `name`, computed by `compute` if it is not cached. `name` has 32 hexadecimal digits.

        Of several processes and threads that need the same value, one computes it and the others wait. A value that
        cannot be stored, because the disk is full for example, is computed and a warning is logged once. Raises
        ModelError for a value that cannot be packed, and what `compute` raises.
        """
        packed = self.memory.get(name)
        if packed is None:
            packed = self._from_disk(name, compute)
            self.memory.put(name, packed)
        return unpack(packed)

    def _from_disk(self, name: str, compute: Callable[[], Any]) -> bytes:
        """Return the packed value in the folder; compute and store it if it is missing or damaged."""
        if not self.limit:
            return pack(compute())
        files = FileCache(self.folder, self.limit)
        computation = _Computation(compute)
        try:
            if packed := _read(files.find(name)):
                return packed
            path = files.fill(name, computation.write, WAIT)
            return computation.packed or _read(path) or pack(compute())
        except StillBeingWritten:
            logger.warning(
                "Another process has been computing a value for more than %.0f s: this one computes it, too",
                WAIT,
            )
        except OSError as error:
            if computation.failed:
                raise  # an error of the user's code
            _warn_once(self.folder, error.strerror or type(error).__name__)
        return computation.packed or pack(compute())


class _Computation:
    """One call of `compute`. `packed` is its packed result, empty before; `failed` says that it has raised."""

    def __init__(self, compute: Callable[[], Any]) -> None:
        self._compute = compute
        self.packed = b""
        self.failed = False

    def write(self, file: BinaryIO) -> None:
        """Compute the value and write it to `file`. Raises what `compute` raises, ModelError and OSError."""
        try:
            self.packed = pack(self._compute())
        except BaseException:
            self.failed = True
            raise
        file.write(self.packed)


def configured_values() -> ValueCache:
    """Return the cache in the user's cache folder, for models that are created outside a backend."""
    return ValueCache.of(Settings.from_env(), user_cache(FOLDER))


def _read(path: Path | None) -> bytes:
    """Return the packed value in a file; empty if there is none. A damaged file is removed."""
    if path is None:
        return b""
    try:
        packed = path.read_bytes()
    except FileNotFoundError:  # another process has evicted it
        return b""
    try:
        verify(packed)
        unpack(packed)
    except DamagedValue as error:
        logger.warning("%s is damaged and computed again: %s", path, error)
        with contextlib.suppress(OSError):
            path.unlink()
        return b""
    except ImportError:  # the library of its arrays is installed in other processes only
        return b""
    return packed


@functools.lru_cache(maxsize=16)
def _warn_once(folder: Path, reason: str) -> None:
    """Warn that values cannot be stored, once for each folder and reason."""
    logger.warning(
        "Computed values cannot be stored in %s: %s. They are computed again in each process; this is logged once. "
        "MODEL_DIR must be a folder with free space that this user may write to",
        folder,
        reason,
    )
