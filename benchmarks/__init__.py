"""Does: measure what Rasad costs, beside other MQTT clients on the same stream; publisher, contenders, figures, tables.

Does not: import anything of Rasad but its errors, or share its encoders; Rasad is measured as a process, from outside.
May import: telemetry.errors, and its own modules. `service.commands.bench` calls it.
"""
