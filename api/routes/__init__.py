"""The routes, one file per subject.

Does: read parameters, ask the backend, shape the answer. Does not: decide who may ask (api.auth) or how errors look.
May import: api, processing, storage, telemetry.
"""
