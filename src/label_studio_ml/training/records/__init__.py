"""Records of training: queued events, jobs, their progress and logs."""
