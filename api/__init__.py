"""The HTTP API, the live stream and the operator console.

Does: answer over HTTP what the backend knows, to those who may know it. Does not: ingest, judge, store or decide.
May import: pilots, ingest, processing, storage, telemetry; third parties: fastapi, sse-starlette, jinja2, pyarrow.
"""
