"""/docs: the OpenAPI document for people, one page that asks nobody else for anything.

Beside it /asyncapi.json, which `make docs` writes: what the event streams say.
"""

import base64
from hashlib import sha256
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import FileResponse, HTMLResponse

router = APIRouter(include_in_schema=False)

_PAGE = (Path(__file__).parent / "docs_page.html").read_text(encoding="utf-8")
_EVENTS = Path(__file__).parent / "asyncapi.json"
_SCRIPT = _PAGE.partition("<script>")[2].partition("</script>")[0]
_DIGEST = base64.b64encode(sha256(_SCRIPT.encode()).digest()).decode()
_POLICY = (
    f"default-src 'none'; script-src 'sha256-{_DIGEST}'; style-src 'unsafe-inline'; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)


@router.get("/docs")
async def get_docs() -> HTMLResponse:
    return HTMLResponse(_PAGE, headers={"Content-Security-Policy": _POLICY})


@router.get("/asyncapi.json")
async def get_asyncapi() -> FileResponse:
    return FileResponse(_EVENTS, media_type="application/json")
