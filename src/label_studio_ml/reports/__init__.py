"""What servers, workers and commands of a backend report in Redis, so that each server can show what all do."""
