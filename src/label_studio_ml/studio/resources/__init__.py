"""One module for each kind of object in Label Studio's API, as observed with version 1.23.2."""
