"""`dairi serve`: always production."""

import typer
import uvicorn

from idp import logs
from idp.app import create_app
from idp.services import compose, sequencer_of
from idp.settings import Settings


def serve() -> None:
    """Serve the wards of the settings; refuses sandbox databases, plain-HTTP issuers and test cards."""
    logs.configure()
    settings = Settings()
    try:
        wards = compose(settings)
    except ValueError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    uvicorn.run(
        create_app(wards, [sequencer_of(wards)]), host=settings.host, port=settings.port, access_log=False
    )
