"""Training in Redis: names of keys, scripts, RQ jobs, ownership of queues, errors."""
