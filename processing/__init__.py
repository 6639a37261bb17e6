"""The pure heart: quality kernels, event-time windows, the pilot contract.

Does: judge and aggregate columns, say what a pilot is. Does not: wait, read clocks, touch sockets, files or databases.
May import: telemetry.
"""
