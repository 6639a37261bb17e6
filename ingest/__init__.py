"""From MQTT bytes to admitted readings: session, group commit, topics, decoders, admission.

Does: take messages, acknowledge them when they are on disk, decode and admit them. Does not: judge, aggregate, store.
May import: telemetry. `session` and `group_commit` are the only modules that touch the event loop.
"""
