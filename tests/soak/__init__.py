"""Long tests: what a backend does with many inputs that nobody meant to send."""
