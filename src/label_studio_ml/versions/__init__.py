"""Model versions on disk, and what is remembered of each project."""
