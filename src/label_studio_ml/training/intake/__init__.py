"""Event intake of a server: webhook events on their way to Redis, or to disk while Redis is unavailable."""
