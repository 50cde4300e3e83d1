"""What the servers of a backend report of themselves in Redis, so that each of them can show what all do."""
