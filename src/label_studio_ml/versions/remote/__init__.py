"""A version store that several machines share, in an object store."""
