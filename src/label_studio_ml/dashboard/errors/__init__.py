"""The view Errors: the last errors of all servers and workers, and the log of this server."""
