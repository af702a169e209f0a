"""Routes that answer with pages: counted by address, fed by forms, and kind when they fail."""

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from gateway.door import extra_headers
from gateway.errors import to_app_error
from gateway.gate import Handler, client_address, gate_of
from gateway.limits import RateLimited
from gateway.pages.render import notice
from shared.errors import AppError, Forbidden, NotFound

_CROSS_SITE = "cross-site"


class PageRoute(APIRoute):
    """A page that anybody may open who knows where it is."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def pass_gate(request: Request) -> Response:
            try:
                limits, whose = gate_of(request).limits, f"address:{client_address(request)}"
                if verdict := await limits.take(("public",), whose):
                    extra_headers(request.scope).extend(verdict.headers())
                _refuse_other_sites(request)
                return await handle(request)
            except AppError as error:
                return failed(to_app_error(error, request))

        return pass_gate


def _refuse_other_sites(request: Request) -> None:
    """A form on somebody else's page sends nothing in a person's name."""
    elsewhere = request.headers.get("sec-fetch-site", "") == _CROSS_SITE
    if request.method == "POST" and elsewhere:
        raise Forbidden("This was sent from another site.", reason="CROSS_SITE")


def failed(error: AppError) -> Response:
    """What a person is told when there is no page to show."""
    match error:
        case NotFound():
            title, more = "There is nothing here", "Check the address, or ask for a new link."
        case RateLimited():
            title, more = "Too many requests", "Wait a little, then try again."
        case _ if error.http_status >= 500:
            title, more = "This does not work at the moment", "Try again in a minute."
        case _:
            title, more = error.message, "Go back, or open the link once more."
    response = notice(title, more, status=error.http_status)
    if error.retryable:
        response.headers["Retry-After"] = f"{max(1, round(error.retry_after or 1))}"
    return response
