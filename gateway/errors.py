"""Every failure as application/problem+json (RFC 9457): the one place where errors are printed.

`respond` takes whatever was raised: an AppError of ours or of a service, what FastAPI finds wrong
with a request, what Starlette says of paths and methods, or a bug, of which it tells nothing.
"""

import difflib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
import structlog
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.idempotency import KeyReused
from gateway.limits import RateLimited
from shared.errors import (
    AppError,
    Conflict,
    Forbidden,
    Internal,
    InvalidInput,
    LimitReached,
    NotFound,
    Unauthenticated,
    Unavailable,
    Violation,
)
from shared.rpc import call
from shared.workflow import pointer

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"
# A guarded change that came too late has a status of its own in HTTP.
_STATUS_BY_CODE: Mapping[str, int] = {
    "ETAG_MISMATCH": HTTPStatus.PRECONDITION_FAILED,
    "INPUT_INVALID": HTTPStatus.UNPROCESSABLE_ENTITY,
    "FORM_INVALID": HTTPStatus.UNPROCESSABLE_ENTITY,
}
_ISSUER_PATH = "/auth/v1/"
_LINKS = re.compile(r"^(/v1/answers/).*", re.DOTALL)


class MalformedJson(InvalidInput):
    """The body is not JSON."""

    reason = "MALFORMED_JSON"


class WrongShape(InvalidInput):
    """The body or a parameter has the wrong shape: a type, a range, a name that is not known."""

    http_status = 422


class WrongMediaType(InvalidInput):
    """The body is said to be something that this operation does not read."""

    reason = "UNSUPPORTED_MEDIA_TYPE"
    http_status = 415


class WrongMethod(InvalidInput):
    """The path is there, but not for this method."""

    reason = "METHOD_NOT_ALLOWED"
    http_status = 405


class BodyTooLarge(LimitReached):
    """The body is larger than what is read."""

    reason = "BODY_TOO_LARGE"
    http_status = 413
    retryable = False


class BodyTooSlow(LimitReached):
    """The body did not arrive in time."""

    reason = "BODY_TOO_SLOW"
    http_status = 408


def shown_path(path: str) -> str:
    """A path as logs show it: behind some, what follows is a secret of whoever was sent it."""
    return _LINKS.sub(r"\1…", path)


def respond(error: Exception, request: Request) -> Response:
    """The answer to a request that failed."""
    failure = to_app_error(error, request)
    body = problem(failure, request.url.path)
    headers = {"Cache-Control": "no-store", **_headers(failure)}
    if isinstance(failure, WrongMethod):
        headers["Allow"] = ", ".join(_allowed_methods(request))
    if isinstance(failure, BodyTooSlow):
        headers["Connection"] = "close"  # nobody waits for the rest
    if isinstance(failure, RateLimited):
        headers |= {name.decode(): value.decode() for name, value in failure.verdict.headers()}
    return Response(
        orjson.dumps(body), status_code=body["status"], headers=headers, media_type=MEDIA_TYPE
    )


def problem(error: AppError, instance: str) -> dict[str, Any]:
    """An error in the form of RFC 9457, with what the built-in issuer's clients look for."""
    status = _STATUS_BY_CODE.get(error.code, error.http_status)
    slug = error.code.lower().replace("_", "-")
    body: dict[str, Any] = {
        "type": f"urn:flowloom:problem:{slug}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": error.message,
        "instance": instance,
        "code": error.code,
        "request_id": call.current().request_id,
        "errors": [
            {
                "pointer": violation.pointer,
                "code": violation.code,
                "message": violation.message,
                "suggestion": violation.suggestion,
            }
            for violation in error.violations
        ],
    }
    if instance.startswith(_ISSUER_PATH):
        body |= {"msg": error.message, "error_code": error.code.lower()}
    return body


def to_app_error(error: Exception, request: Request) -> AppError:
    """One of the eight kinds, whatever was raised."""
    match error:
        case AppError() if error.code == KeyReused.reason:
            return KeyReused(error.message)  # found by the service that honours the key
        case AppError():
            return error
        case RequestValidationError():
            return _from_validation(error.errors(), request)
        case HTTPException():
            return _from_http(error)
        case _:
            log.error("request_failed", path=shown_path(request.url.path), exc_info=error)
            return Internal("Something went wrong on our side.")


def _headers(failure: AppError) -> dict[str, str]:
    headers: dict[str, str] = {}
    if isinstance(failure, Unauthenticated):
        invalid = ', error="invalid_token"' if failure.code != "TOKEN_MISSING" else ""
        headers["WWW-Authenticate"] = f'Bearer realm="flowloom"{invalid}'
    if failure.retryable:
        headers["Retry-After"] = f"{max(1, round(failure.retry_after or 1))}"
    return headers


def _allowed_methods(request: Request) -> list[str]:
    """What the path knows, in all its routes."""
    routes = [route for route in request.app.routes if isinstance(route, Route)]
    found = [route for route in routes if route.path_regex.match(request.url.path)]
    return sorted({method for route in found for method in route.methods or ()})


def _from_http(error: HTTPException) -> AppError:
    match error.status_code:
        case 404:
            return NotFound("There is nothing at this path.", reason="PATH_NOT_FOUND")
        case 405:
            return WrongMethod("This path does not know the method.")
        case 413:
            return BodyTooLarge("The body is too large.")
        case 401:
            return Unauthenticated(error.detail)
        case 403:
            return Forbidden(error.detail)
        case 409:
            return Conflict(error.detail)
        case 503:
            return Unavailable(error.detail)
        case status if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return InvalidInput(error.detail)
        case _:
            return Internal(error.detail)


def _from_validation(findings: Sequence[Mapping[str, Any]], request: Request) -> AppError:
    if findings and findings[0]["type"] == "json_invalid":
        position, reason = findings[0]["loc"][-1], findings[0]["ctx"]["error"]
        violation = Violation("", "json_invalid", f"At character {position}: {reason}")
        return MalformedJson("The body is not valid JSON.", violations=[violation])
    violations = [_violation(finding, request) for finding in findings]
    return WrongShape("The request does not have the right shape.", violations=violations)


def _violation(finding: Mapping[str, Any], request: Request) -> Violation:
    place, *path = finding["loc"]
    code, message = finding["type"], finding["msg"].removeprefix("Value error, ")
    if place == "body":
        suggestion = _nearest(path, _body_fields(request)) if code == "extra_forbidden" else ""
        return Violation(pointer(path), code, message, suggestion)
    name = path[0] if path else ""
    return Violation(f"?{name}" if place == "query" else "", code, f"{name}: {message}")


def query_names(route: APIRoute) -> frozenset[str]:
    """The query parameters that a route knows."""
    return frozenset(
        name
        for parameter in route.dependant.query_params
        for name in _fields(parameter.field_info.annotation) or (parameter.alias,)
    )


def refuse_unknown(query: Iterable[str], known: Collection[str]) -> None:
    """Refuse parameters that would be passed over in silence.

    Raises:
        WrongShape: There are some.
    """
    if unknown := [name for name in query if name not in known]:
        raise WrongShape(
            "The request has parameters that are not known here.",
            violations=[
                Violation(f"?{name}", "unknown_parameter", "Not known.", _nearest([name], known))
                for name in unknown
            ],
        )


def _nearest(path: Sequence[object], known: Iterable[str]) -> str:
    """What the caller may have meant by a name that is not known."""
    near = difflib.get_close_matches(str(path[-1]), list(known), n=1) if len(path) == 1 else []
    return f"Did you mean {near[0]}?" if near else ""


def _body_fields(request: Request) -> Iterable[str]:
    route = request.scope.get("route")
    field = route.body_field if isinstance(route, APIRoute) else None
    return _fields(field.field_info.annotation) if field else ()


def _fields(annotation: Any) -> Iterable[str]:
    """The names in a model, or in the model that may be absent."""
    options = getattr(annotation, "__args__", (annotation,))
    return [name for option in options for name in getattr(option, "model_fields", ())]
