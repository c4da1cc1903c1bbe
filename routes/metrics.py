"""For Prometheus: what was counted since the server started, and what the database holds."""

from __future__ import annotations

from typing import cast

from flask import Blueprint, Flask, Response, current_app

from config import Settings
from models import requests
from models.errors import TryLater
from routes import guard
from routes.context import current_vault, when_open
from routes.declared import Answer
from routes.endpoint import Call, endpoint
from routes.trace import Observer, Trace
from routes.trail import NOBODYS
from utils.metrics import Metrics
from utils.status import Figures, read_figures

bp = Blueprint("metrics", __name__)
_NAME = "secrets-manager-metrics"
_FORMAT = "text/plain; version=0.0.4"
_FOLDER = "metrics"


def install(app: Flask, settings: Settings) -> list[Observer]:
    """What is to be shown every request; nothing where metrics are off."""
    if not settings.METRICS_TOKEN:
        return []
    metrics = app.extensions[_NAME] = Metrics(settings.INSTANCE_DIR / _FOLDER)
    when_open(app, lambda vault: setattr(vault.db, "waited", metrics.count_wait))

    def observe(trace: Trace) -> None:
        metrics.count_request(trace.method, trace.route, trace.status, trace.seconds, trace.problem)

    return [observe]


@bp.get("/metrics")
@endpoint(
    access=guard.metrics_token,
    audit=NOBODYS,
    body=requests.Nothing,
    query=requests.NoQuery,
    produces=(_FORMAT, "text/plain"),
    answers={200: Answer(None)},
)
def show(_call: Call[requests.Nothing, requests.NoQuery]) -> Response:
    """Everything that is measured. The guard lets nobody here while metrics are off."""
    metrics = cast(Metrics, current_app.extensions[_NAME])
    return Response(metrics.text(_figures), content_type=f"{_FORMAT}; charset=utf-8")


def _figures() -> Figures | None:
    """A database that is away is what somebody looking at the metrics wants to be told."""
    try:
        return read_figures(current_vault().db)
    except TryLater:
        return None
