"""Children that user code makes with `os.fork` end where the user's code ends.

In a script, `sys.exit()` in such a child ends the child. Below `predict` or `fit` it would unwind into our code: the
child would go on as a second model process or training run, and answer in the name of its parent.
"""

import os
import sys
import traceback
from types import TracebackType
from typing import NoReturn


class UserCode:
    """A context manager around a call of user code. A child that was forked inside of it ends when it leaves it.

    The child's exit status is what Python gives a script: that of `sys.exit`, 1 for any other exception (whose
    traceback is printed), 0 where the code just returns. In the parent nothing changes.
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
    """End this process as a script that leaves with `error` ends, without running what the parent has registered."""
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
