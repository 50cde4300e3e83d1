"""Work on whole projects: read the tasks, predict them, store the predictions in Label Studio."""
