"""Trainings in MLflow."""
