"""Model versions on disk or in a remote store, and the state that is kept for each project."""
