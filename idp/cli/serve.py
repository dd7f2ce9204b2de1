"""`dairi serve`: always production."""

import signal
from collections.abc import Sequence
from typing import Final

from cryptography.x509.oid import NameOID
from pydantic import ValidationError
from pydantic_settings import SettingsError
from sqlalchemy.exc import SQLAlchemyError

from assurance.database import StorageUnavailable
from assurance.sealed import MasterKeys, Unopenable
from card.revocation import NoRevocation
from card.trust import Trust
from idp import logs, serving
from idp.cli.deployment import fail
from idp.services import Services, compose
from idp.settings import Settings, describe

SANDBOX_KEY: Final = "sandbox"
"""What the ids of a sandbox's master keys begin with."""
_TEST_ROOTS: Final = "JPKI-TEST"
"""The organisation that roots of test cards name, ours and those that card tools ship."""


class _Refused(Exception):  # noqa: N818 - ends the start with a sentence
    """Why this is no deployment to serve, in a sentence."""


def _refuse_sandbox(settings: Settings) -> None:
    """Refuse what belongs to a sandbox, before the database is touched and marked."""
    try:
        keys = MasterKeys.from_file(settings.master_key_file).keys
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise _Refused("DAIRI_MASTER_KEY_FILE holds no master keys") from error
    if any(key.startswith(SANDBOX_KEY) for key in keys):
        raise _Refused("the master key is a sandbox's")
    anchors = Trust.from_files(settings.trust_folder, NoRevocation()).anchors
    named = {
        attribute.value
        for roots in anchors.values()
        for root in roots
        for attribute in root.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    }
    if _TEST_ROOTS in named:
        raise _Refused("a root in DAIRI_TRUST_FOLDER is one of test cards")


def _composed() -> tuple[Settings, Sequence[Services]]:
    """Read the settings and build what they describe; whatever is wrong with them is one sentence."""
    try:
        settings = Settings()
        _refuse_sandbox(settings)
        return settings, compose(settings)
    except ValidationError as error:
        raise _Refused(f"the settings are incomplete: {describe(error)}") from error
    except SettingsError as error:
        raise _Refused("DAIRI_WARDS is no JSON") from error  # the one setting that is
    except OSError as error:
        raise _Refused(f"{error.filename or 'a file'} cannot be read: {error.strerror}") from error
    except (SQLAlchemyError, StorageUnavailable) as error:
        raise _Refused("the database does not answer; see DAIRI_DATABASE_URL") from error
    except (Unopenable, LookupError) as error:
        raise _Refused("the master key is not the one of this database") from error
    except ValueError as error:
        raise _Refused(str(error).splitlines()[0]) from error


def serve() -> None:
    """Serve the wards of the settings; refuses what belongs to a sandbox, and plain-HTTP issuers."""
    logs.configure()
    try:
        settings, wards = _composed()
    except _Refused as refused:
        raise fail(f"Dairi does not start: {refused}.") from refused
    # The server stops gracefully at this signal and then raises it anew; the stop is no failure.
    signal.signal(signal.SIGTERM, lambda *_: None)
    serving.run(settings, wards)
