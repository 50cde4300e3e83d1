"""End children that user code forks (`os.fork`) where they leave the user's code.

In a script, `sys.exit()` in such a child ends the child. Below `predict` or `fit` the exception would reach this
package's code: the child would continue as a second model process or training run, and answer in place of its parent.
"""

import os
import sys
import traceback
from types import TracebackType
from typing import NoReturn


class UserCode:
    """A context manager for a call of user code. A child that was forked inside the block ends at the block's end.

    The child's exit status is that of a Python script: the status of `sys.exit`, 1 for any other exception (with a
    printed traceback), 0 without one. The parent is unaffected.
    """

    __slots__ = ("_pid",)

    def __enter__(self) -> None:
        self._pid = os.getpid()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if os.getpid() != self._pid:
            _end(error)


def _end(error: BaseException | None) -> NoReturn:
    """End this process as a script that ends with `error`, without running exit handlers inherited from the parent."""
    status = 1
    try:
        if error is None:
            status = 0
        elif not isinstance(error, SystemExit):
            traceback.print_exception(error)
        elif error.code is None or isinstance(error.code, int):
            status = (error.code or 0) & 0xFF
        else:
            sys.stderr.write(f"{error.code}\n")
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    finally:
        os._exit(status)
