"""Files on this machine: locks, private files, damaged files, and explanations of disk errors."""
