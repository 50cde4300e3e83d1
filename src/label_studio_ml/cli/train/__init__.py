"""Commands that train, and list or cancel training jobs."""
