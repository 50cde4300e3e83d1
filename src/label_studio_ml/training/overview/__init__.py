"""What people see of trainings: lists over all projects, what waits for what, why trainings failed, logs."""
