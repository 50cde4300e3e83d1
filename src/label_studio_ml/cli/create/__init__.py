"""Commands that make a backend's folder."""
