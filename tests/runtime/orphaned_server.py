"""A server that starts one worker and is then killed: `python orphaned_server.py KIND`. It prints the worker's id.

KIND `held`: another process keeps the worker's standard input open. `hung`: nothing in the worker's main thread ends
it.
"""

import os
import subprocess
import sys
import time

WORKER = """
import os, sys, time
from label_studio_ml.runtime import worker_main as process
from label_studio_ml.training.worker import rq_worker
process.ORPHAN_GRACE = 2.0
def hang(*args, **kwargs):
    print("hangs", flush=True)
    while True:
        try:
            time.sleep(1)
        except BaseException:
            pass
if sys.argv.pop(1) == "hung":
    rq_worker.work = hang
sys.exit(process.main())
"""


def main() -> None:
    kind = sys.argv[1]
    reading, writing = os.pipe()
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, kind, "--parent", str(os.getpid())], stdin=reading, stdout=sys.stderr
    )
    os.close(reading)
    if kind == "held":
        subprocess.Popen(["sleep", "120"], pass_fds=[writing], stdout=subprocess.DEVNULL)
    print(worker.pid, flush=True)
    time.sleep(600)


if __name__ == "__main__":
    main()
