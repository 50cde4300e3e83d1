"""The views of versions: list, details, comparison, evaluation reports, and operations on versions."""
