"""Random identifiers and session keys' place in a token: minted here, nowhere else."""

from __future__ import annotations

import secrets


def new_id() -> str:
    """128 random bits in URL-safe base64 (22 characters; ASVS 11.5.1 rules out UUIDs)."""
    return secrets.token_urlsafe(16)
