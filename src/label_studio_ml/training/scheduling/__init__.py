"""When to train: leases, the sweeper, cancellation, stalled projects."""
