"""A bridge's own key, by which a ward's PC is enrolled.

It is a file that its user alone can read. Programs of that user can read it too: it lies in no TPM and in no
key store of the system (DPAPI, Keychain), which would keep it from other users and from a stolen disk, but
not from them either. An encrypted disk is assumed.
"""

import json
import os
import stat
from pathlib import Path
from typing import Annotated, Final

import typer

from card.jose import SoftwareSigner, p256_members
from card.private_file import write_private

_GROUP: Final = 4


def check_number(kid: str) -> str:
    """The beginning of a thumbprint, to be compared by eye or by telephone.

    96 bits: nobody makes a second key that begins alike.
    """
    shown = kid[: 4 * _GROUP]
    return " ".join(shown[start : start + _GROUP] for start in range(0, len(shown), _GROUP))


def read_key(path: Path) -> SoftwareSigner:
    """Read a bridge's key.

    :raises typer.BadParameter: for a file that is none, or that other users can read.
    """
    try:
        if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise typer.BadParameter(f"other users can read {path}: make a new key", param_hint="--key")
        signer = SoftwareSigner.from_pem(path.read_bytes())
        p256_members(signer.public_jwk())
    except (OSError, TypeError, ValueError) as error:
        raise typer.BadParameter(f"{path} holds no key of a bridge", param_hint="--key") from error
    return signer


def make_key(
    path: Annotated[Path, typer.Argument(help="Where to keep the private key; it must not be there yet.")],
) -> None:
    """Make the key of this PC's bridge, and print what staff enrol: its public half."""
    if path.exists():
        typer.echo(f"{path} is there already; a key is never written over.", err=True)
        raise typer.Exit(1)
    made = SoftwareSigner.generate()
    try:
        write_private(path, made.private_pem())
    except OSError as error:
        typer.echo(f"{path} cannot be written: {error}", err=True)
        raise typer.Exit(1) from error
    typer.echo(json.dumps(p256_members(made.public_jwk())))
    typer.echo(f"The check number is {check_number(made.kid)}.", err=True)
    typer.echo("Have the line above enrolled with `dairi bridges enrol`, which shows the same.", err=True)
