"""One suite per port, run over every implementation.

Does: hold each store to the same promises. Does not: know how a store keeps them.
May import: storage, telemetry, tests.servers.
"""
