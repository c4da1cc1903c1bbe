"""Attempts to lose data: kill, race and break the real thing, far beyond what one test would.

``make torture`` runs all of it, ``make torture ROW=server-kill9`` one row. ``make test`` runs a
short version of the same rows (``tests/test_torture_short.py``).

framework   what a row is, and when it counts as passed
command     runs rows and prints their lines, here and for tests.attack
catalogue   all rows
the rest    one module a group of rows, and what they share
"""
