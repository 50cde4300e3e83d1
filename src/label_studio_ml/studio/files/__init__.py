"""Fetch the files of tasks: over HTTP, from cloud storage, or from this machine."""
