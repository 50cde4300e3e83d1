"""What the benchmarks share: environments, servers, load, reports."""
