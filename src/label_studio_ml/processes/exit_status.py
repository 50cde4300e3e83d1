"""Describe how a process ended, from the exit status that `subprocess` reports."""

import signal


def signal_name(number: int) -> str:
    """Return the name of a signal; of one without a name, as most real-time signals are, its number."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def describe_exit(status: int | None) -> str:
    """Return how a process ended, to follow the name of the process in a sentence.

    `status` is negative for a process that a signal killed, and None for one that has not ended although it closed its
    connection.
    """
    if status is None:
        return "closed its connection"
    if status >= 0:
        return f"ended with status {status}"
    name = signal_name(-status)
    return f"was killed by {name}{' (out of memory?)' if name == 'SIGKILL' else ''}"
