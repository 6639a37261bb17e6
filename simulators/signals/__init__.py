"""Signal models: what each kind of device would measure at given instants, as pure functions of time.

Does: plausible values, diurnal and seeded. Does not: know about messages, faults, clocks or brokers.
May import: simulators.noise, simulators.daytime, simulators.site, numpy.
"""
