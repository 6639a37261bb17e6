"""Readers of history files: JSON lines, CSV and line protocol, gzipped or not, to samples and raw messages.

Does: read lines into what devices would have sent, and say which lines cannot be read. Does not: judge, store or send.
May import: telemetry.
"""
