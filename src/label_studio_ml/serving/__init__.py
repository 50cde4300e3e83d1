"""Running users' models: batches, the pool of live models, the processes they live in."""
