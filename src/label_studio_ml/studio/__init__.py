"""Label Studio as seen from a backend: its API, and the files of its tasks."""
