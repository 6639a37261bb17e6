"""The shared words of Rasad: readings as columns, series, flags, ledger, ports, clock, errors.

Does: define what every other package talks about. Does not: read files, open sockets, ask for the time.
May import: numpy, msgspec and the standard library, nothing of Rasad.
"""
