"""Settings of a backend: environment variables, limits, the metric gate, login and access tokens."""
