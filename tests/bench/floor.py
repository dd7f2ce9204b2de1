"""A bare Starlette route under the same server: what a request costs before anybody thinks."""

import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


async def _answer(request: Request) -> Response:
    await request.body()
    return Response("{}", media_type="application/json")


def main() -> None:
    """Serve on the port that was named."""
    app = Starlette(routes=[Route("/", _answer, methods=["GET", "POST"])])
    uvicorn.run(app, port=int(sys.argv[1]), access_log=False, log_config=None)


if __name__ == "__main__":
    main()
