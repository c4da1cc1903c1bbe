"""What may go out about many secrets at once; the rest is in responses.py."""

from __future__ import annotations

from models.responses import Response, Secret, SecretInfo


class NotRead(Response):
    """Why one of the names gave no value: the parts of a problem that are about it alone."""

    name: str
    type: str
    status: int
    detail: str


class BatchGot(Response):
    """``POST /secrets:batchGet``: each name is in one of the two, in the order of the request."""

    secrets: list[Secret]
    errors: list[NotRead]


class BatchWritten(Response):
    """``POST /secrets:batchWrite``: the secrets as they are now, in the order of the request."""

    secrets: list[SecretInfo]
