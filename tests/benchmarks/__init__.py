"""Benchmarks: programs that `scripts/benchmark` runs. None of it is a test, and no test is timed."""
