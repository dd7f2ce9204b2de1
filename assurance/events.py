"""What happens, in one enumeration: `source:subject:action`. Every event writes a leaf of the audit log."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from assurance.person import PersonId
from assurance.wards import WardCode


class EventName(StrEnum):
    """All events."""

    # People and their ways in.
    PERSON_CREATED = "people:person:created"
    PERSON_PROVEN = "people:person:proven"
    CARD_LINKED = "card:credential:linked"
    CARD_REPLACED = "card:credential:replaced"
    CARD_WITHDRAWN = "card:credential:withdrawn"
    CARD_LINKING_REFUSED = "card:linking:refused"
    PASSKEY_ADDED = "passkey:credential:added"
    PASSKEY_REMOVED = "passkey:credential:removed"
    EMAIL_CONFIRMED = "email:identifier:confirmed"
    BUSINESS_SHOWN = "gbizid:business:shown"
    BUSINESS_REMOVED = "gbizid:business:removed"
    APP_LINKED = "app:credential:linked"
    APP_REMOVED = "app:credential:removed"
    # Logins.
    LOGIN_SUCCEEDED = "login:person:succeeded"
    LOGIN_RAISED = "login:person:raised"
    LOGIN_ENDED = "login:person:ended"
    EMAIL_CODE_SENT = "email:code:sent"
    EMAIL_CODE_WRONG = "email:code:wrong"
    CARD_REFUSED = "card:answer:refused"
    CARD_ANSWER_FOREIGN = "card:answer:foreign_browser"
    PASSKEY_REFUSED = "passkey:assertion:refused"
    UPSTREAM_REFUSED = "upstream:answer:refused"
    UPSTREAM_ANSWER_FOREIGN = "upstream:answer:foreign_browser"
    LOGIN_PICKED = "sandbox:login:picked"
    # Grants.
    GRANT_PROPOSED = "grant:grant:proposed"
    GRANT_ACCEPTED = "grant:grant:accepted"
    GRANT_DIGITS_WRONG = "grant:digits:wrong"
    GRANT_COMPARED = "grant:digits:compared"
    GRANT_ACTIVATED = "grant:grant:activated"
    GRANT_ENDED = "grant:grant:ended"
    GRANT_PAUSED = "grant:grant:paused"
    GRANT_RESUMED = "grant:grant:resumed"
    INVITATION_REFUSED = "grant:invitation:refused"
    MANDATE_SIGNED = "grant:mandate:signed"
    MANDATE_REFUSED = "grant:mandate:refused"
    MANDATE_REVOKED = "revocation:mandate:named"
    MANDATE_HELD = "revocation:hold:placed"
    # Care offices.
    OFFICE_REGISTERED = "office:office:registered"
    OFFICE_ENDED = "office:office:ended"
    MEMBER_INVITED = "office:member:invited"
    MEMBER_JOINED = "office:member:joined"
    MEMBER_CHECKED = "office:member:checked"
    MEMBER_ATTESTED = "office:member:attested"
    MEMBER_LEFT = "office:member:left"
    GRANT_ASKED = "office:grant:asked"
    GRANT_ASK_DECLINED = "office:grant:declined"
    DESIGNATED = "office:designation:named"
    DESIGNATION_CONFIRMED = "office:designation:confirmed"
    DESIGNATION_REFUSED = "office:designation:refused"
    # The counter.
    COUNTER_VISIT_OPENED = "counter:visit:opened"
    COUNTER_VISIT_ENDED = "counter:visit:ended"
    COUNTER_CARD_REFUSED = "counter:card:refused"
    COUNTER_CARD_ENTERED = "counter:card:entered"
    COUNTER_CARD_COMPARED = "counter:card:compared"
    COUNTER_CARD_CONFIRMED = "counter:card:confirmed"
    COUNTER_CARD_DROPPED = "counter:card:dropped"
    COUNTER_MANDATE_ASKED = "counter:mandate:asked"
    COUNTER_GRANT_CHANGED = "counter:grant:changed"
    PAPER_ENTERED = "counter:paper:entered"
    PAPER_REGISTERED = "counter:paper:registered"
    PAPER_REFUSED = "counter:paper:refused"
    CHILD_REGISTERED = "counter:child:registered"
    ATTRIBUTES_HANDED = "counter:attributes:handed"
    LETTER_READ = "counter:letter:read"
    LETTER_PRINTED = "counter:letter:printed"
    # Tokens.
    AUTHORIZATION_GRANTED = "token:authorization:granted"
    AUTHORIZATION_ENDED = "token:authorization:ended"
    CODE_REDEEMED = "token:code:redeemed"
    CODE_REUSED = "token:code:reused"
    CODE_FOREIGN = "token:code:foreign_client"
    TOKEN_REFRESHED = "token:refresh:rotated"  # noqa: S105 - an event's name
    REFRESH_FOREIGN = "token:refresh:foreign_client"
    REFRESH_REUSED = "token:refresh:reused"
    CLIENT_TOKEN_ISSUED = "token:client:issued"  # noqa: S105 - an event's name
    CLIENT_REFUSED = "token:client:refused"
    TOKEN_REVOKED = "token:authorization:revoked"  # noqa: S105 - an event's name
    # Ward systems.
    CLIENT_ADDED = "client:registration:added"
    CLIENT_CHANGED = "client:registration:changed"
    CLIENT_ROTATED = "client:credential:rotated"
    CLIENT_DISABLED = "client:registration:disabled"
    # The ward's own PCs.
    BRIDGE_ENROLLED = "bridge:enrolment:enrolled"
    BRIDGE_REVOKED = "bridge:enrolment:revoked"
    # Decisions.
    DECISION_ALLOWED = "decision:evaluation:allowed"
    DECISION_DENIED = "decision:evaluation:denied"
    # What staff do.
    STAFF_LOOKED = "staff:person:looked_at"
    STAFF_HELD = "staff:hold:placed"
    STAFF_LIFTED = "staff:hold:lifted"
    ROLE_GIVEN = "staff:role:given"
    ROLE_ENDED = "staff:role:ended"
    CHANGE_APPROVED = "staff:change:approved"
    CHANGE_REFUSED = "staff:change:refused"
    REVIEW_SETTLED = "staff:review:settled"
    # The log itself.
    WRITER_OPENED = "audit:writer:opened"
    WRITER_CLOSED = "audit:writer:closed"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.

    :param concerning: what to tell each person concerned, sealed with their own key.
    :param clear: what anyone who holds the log may read: no person or grant id, nothing personal.
    """

    name: EventName
    ward: WardCode
    at: datetime
    concerning: Mapping[PersonId, Mapping[str, str]] = field(default_factory=dict)
    clear: Mapping[str, str | int | bool] = field(default_factory=dict)
