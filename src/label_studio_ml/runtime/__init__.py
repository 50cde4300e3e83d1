"""Starting and stopping the processes that make up a backend."""
