"""Units of ingest: what one message, one group and one packet may hold, and what becomes of it."""
