"""Client for Label Studio's API, and access to the files that tasks refer to."""
