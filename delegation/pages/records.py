"""What the audit log says of the reader: whatever was done in their name, or by their logins."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from fastapi import APIRouter
from sqlmodel import Session
from starlette.requests import Request
from starlette.responses import Response

from assurance.events import EventName
from assurance.procedures import Action
from card.dates import ward_day
from delegation.assured import TWO_FACTORS
from delegation.audit.leaves_about import LeafAbout, leaves_about
from delegation.pages.view import login_for
from delegation.parts import Parts

SAID: Final = frozenset(
    {
        EventName.PERSON_CREATED, EventName.PERSON_PROVEN, EventName.CARD_LINKED,
        EventName.CARD_REPLACED, EventName.CARD_WITHDRAWN, EventName.PASSKEY_ADDED,
        EventName.PASSKEY_REMOVED, EventName.PASSKEY_REFUSED, EventName.EMAIL_CONFIRMED,
        EventName.APP_LINKED, EventName.APP_REMOVED, EventName.BUSINESS_SHOWN, EventName.BUSINESS_REMOVED,
        EventName.LOGIN_SUCCEEDED, EventName.LOGIN_RAISED, EventName.LOGIN_ENDED, EventName.GRANT_PROPOSED,
        EventName.GRANT_ACCEPTED, EventName.GRANT_DIGITS_WRONG, EventName.GRANT_COMPARED,
        EventName.MANDATE_SIGNED, EventName.GRANT_ACTIVATED, EventName.GRANT_ENDED, EventName.GRANT_PAUSED,
        EventName.GRANT_RESUMED, EventName.INVITATION_REFUSED, EventName.AUTHORIZATION_GRANTED,
        EventName.CODE_REUSED, EventName.REFRESH_REUSED, EventName.TOKEN_REVOKED, EventName.DECISION_ALLOWED,
        EventName.DECISION_DENIED, EventName.OFFICE_REGISTERED, EventName.MEMBER_INVITED,
        EventName.MEMBER_JOINED,
        EventName.MEMBER_CHECKED, EventName.MEMBER_ATTESTED, EventName.MEMBER_LEFT, EventName.GRANT_ASKED,
        EventName.GRANT_ASK_DECLINED, EventName.DESIGNATED, EventName.DESIGNATION_CONFIRMED,
        EventName.DESIGNATION_REFUSED,
        EventName.STAFF_LOOKED, EventName.STAFF_HELD, EventName.STAFF_LIFTED, EventName.ROLE_GIVEN,
        EventName.ROLE_ENDED, EventName.CHANGE_APPROVED, EventName.MANDATE_REVOKED, EventName.MANDATE_HELD,
        EventName.REVIEW_SETTLED,
        EventName.COUNTER_VISIT_OPENED, EventName.COUNTER_VISIT_ENDED,
        EventName.COUNTER_CARD_COMPARED, EventName.COUNTER_CARD_CONFIRMED,
        EventName.COUNTER_MANDATE_ASKED, EventName.COUNTER_GRANT_CHANGED, EventName.PAPER_REGISTERED,
        EventName.PAPER_REFUSED, EventName.CHILD_REGISTERED, EventName.LETTER_READ, EventName.LETTER_PRINTED,
    }
)  # fmt: skip
"""What a page has a sentence for; the rest, such as a token that was renewed, says nothing new to anybody."""
SAID_TO_STAFF: Final = frozenset(
    {EventName.STAFF_LOOKED, EventName.STAFF_HELD, EventName.MANDATE_HELD, EventName.REVIEW_SETTLED}
)
"""What staff read of their own work; the rest of it is the residents'."""
_AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True)
class Record:
    """One thing that happened, as the reader's language says it.

    :param grant: the one it is about.
    """

    at: datetime
    text: str
    grant: str | None


class _Sentences:
    """Leaves in one language."""

    def __init__(self, session: Session, parts: Parts, locale: str) -> None:
        self._session, self._parts, self._locale = session, parts, locale

    def of(self, leaf: LeafAbout) -> str:
        """What a leaf says."""
        key = f"delegation.record.{leaf.event.replace(':', '.')}"
        if leaf.event == EventName.AUTHORIZATION_GRANTED and "grant" in leaf.told:
            key += ".for_me"
        if leaf.told.get("as") == "staff":
            key += ".as_staff"
        return self._parts.pages.text(self._locale, key, **self._values(leaf.told))

    def _values(self, told: Mapping[str, str]) -> Mapping[str, str]:
        text, values = self._parts.pages.text, dict[str, str]()
        if "by" in told:
            values["by"] = text(self._locale, f"delegation.record.by.{told['by']}")
        if "role" in told:
            values["role"] = text(self._locale, f"delegation.staff.role.{told['role']}")
        if "action" in told:  # whatever a system asked about
            known_action = told["action"] in frozenset(Action)
            values["action"] = (
                text(self._locale, f"delegation.action.{told['action']}") if known_action else told["action"]
            )
        if "procedure" in told:
            known = self._parts.procedures.by_id.get(told["procedure"])
            values["procedure"] = told["procedure"] if known is None else known.name[self._locale]
        caller = told.get("caller", told.get("client"))
        if caller is not None:
            values["system"] = self._parts.callers.name(self._session, caller)[self._locale]
        return values


def _worth_saying(leaf: LeafAbout) -> bool:
    """A system that lists things asks about each; that it showed nothing would only frighten."""
    looked_in_vain = leaf.event == EventName.DECISION_DENIED and leaf.told.get("action") == Action.VIEW
    said = SAID_TO_STAFF if leaf.told.get("as") == "staff" else SAID
    return leaf.event in said and not looked_in_vain


def _records(leaves: Iterable[LeafAbout], sentences: _Sentences) -> Iterator[Record]:
    """What was said a moment before is not said again the same day.

    The log numbers what was committed within a moment in any order; people read it by the clock.
    """
    last: Record | None = None
    for leaf in sorted(filter(_worth_saying, leaves), key=lambda leaf: leaf.at, reverse=True):
        made = Record(leaf.at, sentences.of(leaf), leaf.told.get("grant"))
        if last is None or (last.text, ward_day(last.at)) != (made.text, ward_day(made.at)):
            yield made
        last = made


def _before(request: Request) -> int | None:
    text = request.query_params.get("before", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


def record_routes(parts: Parts) -> APIRouter:
    """The pages of one ward."""
    router, ward = APIRouter(), parts.ward.code

    @router.get("/records")
    def show(request: Request) -> Response:
        login = login_for(parts, request, TWO_FACTORS)
        if login is None:
            return parts.step_up.ask(parts.address("/records"), TWO_FACTORS)
        with parts.database.reading(ward) as session:
            leaves = leaves_about(
                session, parts.vault, ward, login.person, before=_before(request), at_most=_AT_ONCE
            )
            sentences = _Sentences(session, parts, parts.pages.locale(request))
            records = list(_records(leaves, sentences))
        numbers = [leaf.number for leaf in leaves if leaf.number is not None]
        older = numbers[-1] if len(leaves) == _AT_ONCE and numbers else None
        context = {"base": parts.address(""), "records": records, "older": older}
        return parts.pages.render(request, "delegation/records.html", context)

    return router
