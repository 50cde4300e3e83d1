"""Training in the background: events, jobs, the worker, the run of a fit."""
