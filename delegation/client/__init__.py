"""What a ward system imports: verify tokens locally, ask for decisions, keep two people's forms apart.

It needs neither the service nor a database. Logging people in is plain OpenID Connect, by whatever client a
system uses already. Everything fails closed: an answer that is late, too long, no JSON or no decision is
`DecisionUnavailable`, and any half of a delegated token is `TokenRefused`.

    system = WardSystem(issuer, client_id, audience, signer)
    access = system.verify(bearer)  # TokenRefused: log in again
    decision = system.decide(access, "kaigo.nintei.renew", "file")  # DecisionUnavailable: do nothing

`deploy/sandbox/portal` is a whole ward system made with it.
"""

from delegation.client.access import (
    DELEGATED_PREFIX,
    DETAILS_TYPE,
    Access,
    NotForThis,
    TokenRefused,
    principal_name,
    read_access,
    require_context,
)
from delegation.client.printed import PRINTED_TYPE, Printed, asking_for_printed, read_printed
from delegation.client.provider import DecisionUnavailable
from delegation.client.system import Decision, Renewed, WardSystem

__all__ = [
    "DELEGATED_PREFIX",
    "DETAILS_TYPE",
    "PRINTED_TYPE",
    "Access",
    "Decision",
    "DecisionUnavailable",
    "NotForThis",
    "Printed",
    "Renewed",
    "TokenRefused",
    "WardSystem",
    "asking_for_printed",
    "principal_name",
    "read_access",
    "read_printed",
    "require_context",
]
