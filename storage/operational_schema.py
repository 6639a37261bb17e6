"""Tables of the operational database."""

from typing import Final

SCHEMA_VERSION: Final = 1

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS series (
  id INTEGER PRIMARY KEY, pilot TEXT NOT NULL, device TEXT NOT NULL, metric TEXT NOT NULL,
  UNIQUE (pilot, device, metric));
-- acknowledged messages that are not settled yet; pilots counts them
CREATE TABLE IF NOT EXISTS journal (
  seq INTEGER PRIMARY KEY, crc INTEGER NOT NULL, pilots TEXT NOT NULL, blob BLOB NOT NULL);
-- what the store must take; kept until it has (meta.stored_upto), and until a checkpoint covers it
CREATE TABLE IF NOT EXISTS outbox (
  number INTEGER PRIMARY KEY, crc INTEGER NOT NULL, counts TEXT NOT NULL, blob BLOB NOT NULL);
-- readings that can only be judged when the store is back (they may repeat what it has)
CREATE TABLE IF NOT EXISTS parked (
  id INTEGER PRIMARY KEY, crc INTEGER NOT NULL, pilots TEXT NOT NULL, blob BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS checkpoint (
  id INTEGER PRIMARY KEY CHECK (id = 1), number INTEGER NOT NULL, state BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS ledger (
  pilot TEXT, outcome TEXT, reason TEXT, readings INTEGER NOT NULL, PRIMARY KEY (pilot, outcome, reason)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS quarantine (
  id INTEGER PRIMARY KEY AUTOINCREMENT, pilot TEXT NOT NULL, device TEXT NOT NULL, topic TEXT NOT NULL,
  reason TEXT NOT NULL, detail TEXT NOT NULL, payload BLOB NOT NULL, readings INTEGER NOT NULL,
  received_ns INTEGER NOT NULL, bytes INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS event_keys (
  pilot TEXT, device TEXT, key TEXT, digest BLOB NOT NULL, time_ns INTEGER NOT NULL,
  PRIMARY KEY (pilot, device, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS status (
  pilot TEXT, device TEXT, status TEXT NOT NULL, since_ns INTEGER NOT NULL, PRIMARY KEY (pilot, device)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sequence (
  pilot TEXT, device TEXT, high INTEGER NOT NULL, seen BLOB NOT NULL, missing INTEGER NOT NULL,
  PRIMARY KEY (pilot, device)) WITHOUT ROWID;
"""
