"""Real servers for tests: Mosquitto, InfluxDB behind nginx, VictoriaMetrics, on free ports in temporary folders.

Does: start, stop, kill, pause and restart them, and make sure that none outlives the test run.
Does not: fake anything. May import: the standard library and httpx.
"""
