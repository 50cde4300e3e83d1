"""Trainings on parts of the labelled tasks, to measure them on the others. Nothing is published."""
