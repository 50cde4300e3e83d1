"""Connect a backend with a Label Studio project."""
