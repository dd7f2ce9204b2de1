"""What each kind of evidence reaches, as the ward set it in `policies/assurance.toml`.

A ward may lower what an authentication reaches, and give an address AAL1. What none may do is bounded here,
and a file beyond its bounds stops the start: mail never acts or signs (ASVS 6.3.6), one factor is never two
(NIST SP 800-63B-4 §2.2), and what waits or was not checked never counts in full.
"""

import tomllib
from datetime import timedelta
from importlib.resources import files
from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from assurance.levels import AAL, IAL

Single = Annotated[AAL, Field(le=AAL.SINGLE)]
Multi = Annotated[AAL, Field(le=AAL.MULTI)]
Proofing = Literal["counter_card", "counter_photo_id", "counter_documents", "card_signature"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AuthenticationThresholds(_Strict):
    """AAL by evidence."""

    email_code: Single
    passkey: Single
    passkey_user_verified: Multi
    passkey_before_it_counts: Single
    card: AAL
    card_unchecked: Multi
    card_before_it_counts: Multi
    app: AAL
    app_before_it_counts: Multi


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
    proofing: dict[Proofing, ProofThreshold]
    unchecked_card_ial: Annotated[IAL, Field(le=IAL.SUBSTANTIAL)]
    app_ial: Annotated[IAL, Field(le=IAL.SUBSTANTIAL)]
    linked_at_home_waits_hours: Annotated[int, Field(ge=72, le=24 * 30)]

    @property
    def linked_at_home_waits(self) -> timedelta:
        """From the linking until the card counts in full."""
        return timedelta(hours=self.linked_at_home_waits_hours)

    @model_validator(mode="after")
    def _every_proofing_within_its_bounds(self) -> Self:
        if self.proofing.keys() != set(get_args(Proofing)):
            raise ValueError("each way of proofing has its threshold")
        if self.proofing["counter_photo_id"].ial > IAL.SUBSTANTIAL:
            raise ValueError("photo ID without the card read proves IAL2 at most")
        if self.proofing["counter_documents"].ial > IAL.SUBSTANTIAL:
            raise ValueError("documents about a child prove IAL2 at most")
        return self


def load_thresholds(text: str | None = None) -> Thresholds:
    """Read and check the thresholds; without a text, those that ship with Dairi.

    :raises ValueError: naming the line that is wrong.
    """
    return Thresholds.model_validate(
        tomllib.loads(
            text if text is not None else files("policies").joinpath("assurance.toml").read_text("utf-8")
        )
    )
