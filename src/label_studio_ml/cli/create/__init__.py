"""Commands that create a backend's folder."""
