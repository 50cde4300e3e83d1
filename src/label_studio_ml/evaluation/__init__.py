"""How good a version is: its predictions measured against annotations."""
