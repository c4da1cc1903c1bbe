"""Rotate the keys. Written next."""
