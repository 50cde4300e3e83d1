"""The worker: takes jobs from RQ, is the parent of training processes (`training.process`), and publishes versions."""
