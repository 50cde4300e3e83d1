"""What is asked of the kernel about processes."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import label_studio_ml

SOURCE = Path(label_studio_ml.__file__).parent

#: Starts a process that starts another one and ends; says whether the other one's parent is this process then.
ADOPTS = """
import os, subprocess, sys
from label_studio_ml.processes.process_table import become_subreaper, find
print(become_subreaper())
middle = "import subprocess; print(subprocess.Popen(['sleep', '60'], stdout=subprocess.DEVNULL).pid)"
orphan = int(subprocess.run([sys.executable, "-c", middle], stdout=subprocess.PIPE, check=True).stdout)
print(find(orphan).parent == os.getpid())
os.kill(orphan, 9)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has subreapers")
def test_a_subreaper_is_the_parent_of_what_lost_its_own() -> None:
    told = subprocess.run([sys.executable, "-c", ADOPTS], stdout=subprocess.PIPE, check=True, timeout=60)
    assert told.stdout.split() == [b"True", b"True"]


def test_one_module_asks_the_kernel() -> None:
    asking = {
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == "prctl"
    }
    assert asking == {"processes/process_table.py"}
