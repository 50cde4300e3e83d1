"""Model runners: processes or threads that hold models and run their `predict`."""
