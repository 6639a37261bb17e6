"""Flash-flood early warning for Aqaba: rain and wadi stage of Wadi Yutum and the coastal wadis.

Does: declare the gauges and their quality settings. Does not: sum rain or warn; the rules beside this file will.
May import: processing, ingest, storage, telemetry.
"""
