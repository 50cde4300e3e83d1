"""What a backend counts, and how Prometheus reads it."""
