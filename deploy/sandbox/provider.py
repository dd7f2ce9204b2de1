"""The provider as the sandbox runs it: the production program, allowed a plain-HTTP issuer and test cards."""

import uvicorn

from idp import logs
from idp.app import create_app
from idp.services import background_of, compose
from idp.settings import Settings


def main() -> None:
    """Serve until stopped."""
    logs.configure()
    settings = Settings()
    wards = compose(settings, sandbox=True)
    app = create_app(wards, background_of(wards))
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=20,
    )


if __name__ == "__main__":
    main()
