"""The checks of what `fit` leaves in its version, and of annotations that teach nothing."""
