"""Tests of the HTTP API over a real server, a real DuckDB store and real SQLite files."""
