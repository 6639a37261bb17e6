"""The only place that sees everything: command line, settings, wiring, life-cycle.

Does: build the adapters, start and stop the parts. Does not: decode, judge, aggregate or store by itself.
May import: everything of Rasad.
"""
