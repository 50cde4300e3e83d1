"""Commands that run a backend."""
