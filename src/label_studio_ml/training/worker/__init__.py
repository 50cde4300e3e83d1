"""The worker: takes jobs from RQ, runs trainings in processes of their own, and publishes versions."""
