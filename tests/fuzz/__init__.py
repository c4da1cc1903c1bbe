"""Many thousand generated requests and values, to find the one that nobody thought of.

``make fuzz`` runs all rows; what a row is, :mod:`tests.torture.framework` tells. ``make test`` runs
a short version of each (``tests/test_torture_short.py``).
"""
