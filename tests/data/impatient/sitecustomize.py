"""Lets a server say after a second, not after a minute, that events wait. Python imports this when it starts."""

import sys

if {"serve", "start"} & set(sys.orig_argv):
    from label_studio_ml.training.scheduling import stalled

    stalled.STALLED_AFTER, stalled.CHECK_INTERVAL = 1.0, 0.2
