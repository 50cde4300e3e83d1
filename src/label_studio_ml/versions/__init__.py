"""Model versions: the store on disk or remote, and operations on versions."""
