"""What each kind of evidence reaches, as the ward set it in `policies/assurance.toml`."""

import tomllib
from datetime import timedelta
from importlib.resources import files

from pydantic import BaseModel, ConfigDict, Field

from assurance.levels import AAL, IAL


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AuthenticationThresholds(_Strict):
    """AAL by evidence."""

    email_code: AAL
    passkey: AAL
    passkey_user_verified: AAL
    passkey_before_it_counts: AAL
    card: AAL
    card_unchecked: AAL
    card_before_it_counts: AAL


class ProofThreshold(_Strict):
    """What a way of proofing reaches, and for how long."""

    ial: IAL
    years: int = Field(ge=1, le=10)

    @property
    def lasts(self) -> timedelta:
        """From the proofing on."""
        return timedelta(days=365 * self.years)


class Thresholds(_Strict):
    """The whole file."""

    authentication: AuthenticationThresholds
    proofing: dict[str, ProofThreshold]
    unchecked_card_ial: IAL


def load_thresholds(text: str | None = None) -> Thresholds:
    """Read and check the thresholds; without a text, those that ship with Dairi.

    :raises ValueError: naming the line that is wrong.
    """
    return Thresholds.model_validate(
        tomllib.loads(
            text if text is not None else files("policies").joinpath("assurance.toml").read_text("utf-8")
        )
    )
