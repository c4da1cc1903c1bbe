"""Attempts to get in: guess, time, forge, race and trespass, as an attacker would.

``make attack`` runs all rows; what a row is, :mod:`tests.torture.framework` tells. ``make test``
runs a short version of each (``tests/test_torture_short.py``), and shows that the instruments find
what they are for (``tests/test_attack_tools.py``).
"""
