"""Bad days, with real parts: a whole `rasad up`, a real broker, real stores, and what goes wrong with them.

Does: kill, cut, freeze, fill, damage, delay; then hold ledger, readings and windows against the batch answer.
Does not: look inside the process. May import: httpx, tests.servers, tests.processing.batch_answer.
"""
