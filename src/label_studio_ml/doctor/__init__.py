"""The checks of `doctor`: each examines one part of a backend and its connection, and names the fix."""
