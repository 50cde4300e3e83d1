"""HTTP routes of a backend: connections, checks of requests, and handlers."""
