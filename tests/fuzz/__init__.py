"""Whatever can be sent, by the thousand: generated at random, and held against what is promised.

``make fuzz`` runs all rows; what a row is, :mod:`tests.torture.framework` tells. ``make test``
runs a short version of each (``tests/test_torture_short.py``).
"""
