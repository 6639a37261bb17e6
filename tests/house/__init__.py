"""Tests of the house itself: settings, pilots' files, discovery, the import rule, locks, packaging."""
