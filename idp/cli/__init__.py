"""`dairi`: one script for the service, the bridge and the client; each command loads what it needs alone."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import version as installed_version
from typing import Any, Final, NamedTuple

import typer


class Command(NamedTuple):
    """Where a command is, and with what it is installed."""

    module: str
    attribute: str
    help: str
    extra: str = "server"


COMMANDS: Final[Mapping[str, Command]] = {
    "serve": Command("idp.cli.serve", "serve", "Serve the wards of the settings, in production."),
    "migrate": Command("idp.cli.migrate", "migrate", "Bring the database to this version."),
    "client": Command("idp.cli.client", "app", "The ward systems that may ask."),
    "keys": Command("idp.cli.keys", "app", "The keys that a ward signs with."),
    "bridges": Command(
        "idp.cli.bridges", "app", "What bridges pin of this service; enrol those on the ward's PCs."
    ),
    "audit": Command("idp.cli.audit", "app", "Judge the audit log."),
    "staff": Command("idp.cli.staff", "app", "Name a ward's first staff, and list who has which role."),
    "mandate": Command("idp.cli.mandate", "app", "Judge a mandate from its file; check a ward's anew."),
    "sandbox": Command("deploy.sandbox.run", "sandbox", "Run everything here, with a virtual card."),
    "bridge": Command("card.bridge.command", "bridge", "Let this user's browsers reach the card.", "card"),
    "bridge-key": Command("card.bridge.key", "make_key", "Make the key by which a PC is enrolled.", "card"),
    "card": Command("card.commands", "app", "Look at a My Number card, or make a virtual one.", "card"),
    "version": Command("idp.cli", "version", "Say which version this is."),
}


def version() -> None:
    """Say which version this is."""
    typer.echo(f"dairi {installed_version('dairi')}")


def _named_only(text: str) -> Callable[[], None]:
    def listed() -> None:
        """Stand in the list of commands; `main` loads what is asked for."""

    listed.__doc__ = text
    return listed


def _load(name: str, command: Command) -> Any:
    """The command itself; one of another kind of installation says what to install."""
    try:
        return getattr(import_module(command.module), command.attribute)
    except ModuleNotFoundError as error:
        lacking = (error.name or "").partition(".")[0]
        typer.echo(f"dairi {name} needs {lacking}: install dairi[{command.extra}].", err=True)
        raise SystemExit(1) from error


def main() -> None:
    """Run the command that the first argument names."""
    asked = sys.argv[1] if len(sys.argv) > 1 else ""
    program = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    for name, command in COMMANDS.items():
        if name != asked:
            program.command(name, help=command.help)(_named_only(command.help))
            continue
        loaded = _load(name, command)
        if isinstance(loaded, typer.Typer):
            program.add_typer(loaded, name=name, help=command.help)
        else:
            program.command(name, help=command.help)(loaded)
    program()
