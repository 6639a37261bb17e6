"""The operator console's first page, and the way in.

Does: serve the page, its static files, signing in and out. Does not: hold data; the page reads the API like anyone.
May import: api (auth, sessions, backend), third parties: jinja2.
"""

from api.console.pages import install

__all__ = ["install"]
