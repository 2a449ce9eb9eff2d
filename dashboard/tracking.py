"""Tracking: `POST /api/track`, for services in other languages."""

from __future__ import annotations

import math

from flask import Response, abort, request
from pydantic import ValidationError

from openfeature_triton.dashboard.access import AccessFile
from openfeature_triton.dashboard.errors import AccessError
from openfeature_triton.dashboard.intake import MAX_BYTES, MAX_OUTCOMES, Batch, Intake
from openfeature_triton.dashboard.limits import RateLimit


class Tracking:
    """Takes batches of outcomes from whoever holds a token that may track.

    Args:
        intake: where they go.
        access: whose tokens count.
        per_s: how many outcomes per second each token may report; a batch always fits at once.
    """

    def __init__(self, intake: Intake, access: AccessFile, per_s: float) -> None:
        self._intake = intake
        self._access = access
        self._limit = RateLimit(per_s, burst=max(per_s, MAX_OUTCOMES))

    def track(self) -> Response:
        """Take a batch: 204, or 400, 401, 413, 415, 422, 429 with the reason."""
        holder = self._holder()
        batch = self._batch()
        wait_s = self._limit.take(holder, len(batch.outcomes))
        if wait_s > 0:
            self._intake.count("rate_limited", len(batch.outcomes))
            answer = Response("", 429)
            answer.headers["Retry-After"] = str(math.ceil(wait_s))
            return answer
        self._intake.take(batch)
        return Response(status=204)

    def _holder(self) -> str:
        holder = bearer(self._access, "track")
        if holder is None:
            self._intake.count("unauthorised")
            answer = Response("", 401)
            answer.headers["WWW-Authenticate"] = "Bearer"
            abort(answer)
        return holder

    def _batch(self) -> Batch:
        if request.mimetype != "application/json":
            self._intake.count("invalid")
            abort(415, "send the batch as application/json")
        request.max_content_length = MAX_BYTES
        try:
            return Batch.model_validate_json(request.get_data())
        except ValidationError as error:
            self._intake.count("invalid")
            first = error.errors(include_input=False, include_context=False, include_url=False)[0]
            place = ".".join(map(str, first["loc"]))
            abort(422, f"{place}: {first['msg']}" if place else first["msg"])


def bearer(access: AccessFile, may: str) -> str | None:
    """Give the name of the token that a request carries, if it may do that."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        return None
    try:
        return access.read().holder(token.strip(), "track" if may == "track" else "read")
    except AccessError as error:
        abort(503, str(error))
