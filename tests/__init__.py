"""The tests: they read as the specification. ``test.py`` is the walkthrough, run by itself."""
