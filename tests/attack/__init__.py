"""Attempts to get in: guess, time, forge, race and trespass, as an attacker would.

``make attack`` runs all rows; what a row is, :mod:`tests.torture.framework` tells.
"""
