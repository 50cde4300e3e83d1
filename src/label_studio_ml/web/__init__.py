"""The endpoints of a backend, and the state that they share."""
