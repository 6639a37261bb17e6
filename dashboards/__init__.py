"""Grafana as code: dashboards generated from the pilots' files, and what provisions them.

Does: turn pilots into dashboard JSON. Does not: talk to stores or brokers.
May import: processing, telemetry.
"""
