"""The pilots: one folder is one domain pack, found by its `signals.toml`, never named by shared code.

Does: hold registries, rules and texts of each district. Does not: import another pilot, talk to brokers or databases.
May import: processing, ingest, storage, telemetry.
"""
