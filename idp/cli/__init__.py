"""`dairi`: one script for the service, the bridge and the client; each command loads what it needs alone."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import version as installed_version
from typing import Any, Final

import typer

COMMANDS: Final[Mapping[str, tuple[str, str, str]]] = {
    "serve": ("idp.cli.serve", "serve", "Serve the wards of the settings, in production."),
    "migrate": ("idp.cli.migrate", "migrate", "Bring the database to this version."),
    "keys": ("idp.cli.keys", "app", "The keys that a ward signs with."),
    "audit": ("idp.cli.audit", "app", "Judge the audit log."),
    "mandate": ("idp.cli.mandate", "app", "Judge a mandate from its file."),
    "sandbox": ("deploy.sandbox.run", "sandbox", "Run everything on this machine, with a virtual card."),
    "bridge": ("card.bridge.command", "bridge", "Let this user's browsers reach the card in the reader."),
    "card": ("card.commands", "app", "Look at a My Number card, or put a virtual one on a reader."),
    "version": ("idp.cli", "version", "Say which version this is."),
}


def version() -> None:
    """Say which version this is."""
    typer.echo(f"dairi {installed_version('dairi')}")


def _named_only(text: str) -> Callable[[], None]:
    def listed() -> None:
        """Stand in the list of commands; `main` loads what is asked for."""

    listed.__doc__ = text
    return listed


def main() -> None:
    """Run the command that the first argument names."""
    asked = sys.argv[1] if len(sys.argv) > 1 else ""
    program = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    for name, (module, attribute, text) in COMMANDS.items():
        if name != asked:
            program.command(name, help=text)(_named_only(text))
            continue
        loaded: Any = getattr(import_module(module), attribute)
        if isinstance(loaded, typer.Typer):
            program.add_typer(loaded, name=name, help=text)
        else:
            program.command(name, help=text)(loaded)
    program()
