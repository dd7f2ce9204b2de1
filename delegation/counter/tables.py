"""Tables of the counter: visits, cards to register, and what two staff entered from paper and attested."""

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from assurance.database import time_column


class VisitRow(SQLModel, table=True):
    """A resident who is at the counter; made when her card is asked, hers once it signed.

    :param login: the login of the staff member whose browser the visit is bound to; None until then, as
        `person`, the resident.
    :param locale: the resident's language.
    """

    __tablename__ = "counter_visit"
    __table_args__ = (
        Index("counter_visit_login", "ward", "login", "expires_at"),
        Index("counter_visit_expires_at", "ward", "expires_at"),
    )

    ward: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    staff: str
    locale: str
    login: str | None = None
    person: str | None = None
    began_at: datetime = time_column()
    expires_at: datetime = time_column()
    ended_at: datetime | None = time_column(nullable=True)


class CounterCardRow(SQLModel, table=True):
    """A card that one staff member had read to register its holder, until another confirms it: then it goes.

    :param staff: who had it read.
    :param card: sealed, as `assurance.kept_card` writes it; None until it signed.
    :param choice: sealed: whom the first staff member says its holder is; None until they did.
    """

    __tablename__ = "counter_card"
    __table_args__ = (Index("counter_card_expires_at", "ward", "expires_at"),)

    ward: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    staff: str
    card: bytes | None = None
    choice: bytes | None = None
    began_at: datetime = time_column()
    expires_at: datetime = time_column()


class PaperEntryRow(SQLModel, table=True):
    """What one staff member entered from a paper, until another enters it; then that its number is used.

    :param number: MAC of the paper's number.
    :param entry: sealed; None once the number is used.
    :param expires_at: when the first entry lapses; None for a number that is used: it never works again.
    """

    __tablename__ = "paper_entry"
    __table_args__ = (Index("paper_entry_expires_at", "ward", "expires_at"),)

    ward: str = Field(primary_key=True)
    number: str = Field(primary_key=True)
    by: str
    entry: bytes | None = None
    entered_at: datetime = time_column()
    expires_at: datetime | None = time_column(nullable=True)


class AttestationRow(SQLModel, table=True):
    """The evidence of a grant that nobody's card signed: two staff saw the paper and the proof.

    :param paper: MAC of the paper's number.
    :param proof: a `ProofSeen`.
    :param custody: whether the proof says that the delegate has custody of the principal.
    :param attested_until: after it the grant is unusable; None where it is as long as the grant.
    :param opens_at: from then on the delegate may receive, and see addresses; None while the principal, who
        has no channel, waits for a letter.
    """

    __tablename__ = "attestation"
    __table_args__ = (
        UniqueConstraint("ward", "paper"),
        Index("attestation_opens_at", "ward", "opens_at"),
    )

    ward: str = Field(primary_key=True)
    grant: str = Field(primary_key=True)
    by_one: str
    by_two: str
    paper: str
    proof: str
    custody: bool
    attested_at: datetime = time_column()
    attested_until: datetime | None = time_column(nullable=True)
    letter_printed_at: datetime | None = time_column(nullable=True)
    opens_at: datetime | None = time_column(nullable=True)
