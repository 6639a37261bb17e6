"""Muttrah smart district in Muscat: air, noise, weather, parking, crowd, traffic, lighting, waste and water.

Does: declare the devices and their quality settings. Does not: work out AQI, Lden or fill; the rules beside it will.
May import: processing, ingest, storage, telemetry.
"""
