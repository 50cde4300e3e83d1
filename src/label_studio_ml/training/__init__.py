"""Background training: the events and job records in Redis, the worker, and the process that runs `fit`."""
