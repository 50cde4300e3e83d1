"""Build this package with hatchling, where the Python is new enough; elsewhere say so in one line.

Pip before 23.2 looks at the dependencies before `requires-python`, and blames the first one that has no release for an
old Python. It always calls the build backend first. This file must therefore be read by any Python 3.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 (older ones are what this is for)
    present = "{}.{}".format(*sys.version_info)
    sys.exit("label-studio-ml needs Python 3.11 or newer; this is Python " + present)

from hatchling.build import *  # noqa: F403 (the functions that PEP 517 and PEP 660 name)
