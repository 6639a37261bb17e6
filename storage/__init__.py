"""Where readings, windows and events live for good, and the state that must survive a crash.

Does: keep and find them in DuckDB, InfluxDB and SQLite, behind the ports of `telemetry.ports`.
Does not: judge, aggregate or decide when to write. May import: telemetry, and the clients of its databases.
"""
