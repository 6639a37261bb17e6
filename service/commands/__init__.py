"""The verbs of `rasad`, one module each.

Does: turn options into calls and answers into text. Does not: hold logic that an API or a test would want.
May import: everything of Rasad.
"""
