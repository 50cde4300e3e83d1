"""Commands that are started from the dashboard: which there are, their processes, their queue, their routes."""
