"""Entry and exit of trucks at Aqaba: gate, lanes, yards and the staging area.

Does: declare the devices and their quality settings. Does not: pair events into visits; the rules beside it will.
May import: processing, ingest, storage, telemetry.
"""
