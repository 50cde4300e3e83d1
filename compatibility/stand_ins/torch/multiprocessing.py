"""The standard module, with the names that PyTorch adds."""

from multiprocessing import *  # noqa: F403
from multiprocessing import set_start_method  # noqa: F401
