"""The view Now: what is served, how fast, what is trained, and what needs a person."""
