"""Find, load and identify the user's model class, and the packages that it requires."""
