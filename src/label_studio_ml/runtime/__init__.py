"""Start and stop the processes and servers of a backend."""
