"""Long campaigns of bad days, and the figures of RELIABILITY's promises: `python -m benchmarks.soak [NAME…]`.

Does: what tests/faults does, longer and oftener, and measures. Does not: run in `make test`.
May import: tests.faults, tests.servers.
"""
