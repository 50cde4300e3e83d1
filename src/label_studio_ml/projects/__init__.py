"""Work on whole projects: reading their tasks, predicting them, storing the predictions in Label Studio."""
