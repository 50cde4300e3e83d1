"""Learning curve: how a metric changes with the number of labelled tasks, and what more labels would bring."""
