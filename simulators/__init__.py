"""The outside world: the sensors of every pilot, seeded and deterministic, their faults, and the way to a broker.

Does: signals, devices and faults; publish, record and replay. Does not: share an encoder or decoder with ingest.
May import: pilots, processing, telemetry, numpy, paho-mqtt.
"""
