"""How fast the service is, each figure as a share of a limit that is measured beside it.

``make bench`` runs it. Nothing here is a test: the machine may be busy, and only ratios of two
sides, measured by turns in one run, mean anything.
"""
