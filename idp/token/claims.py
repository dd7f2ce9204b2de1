"""Claims about the person who logged in (OIDC Core §5.4), never about someone they act for."""

from collections.abc import Collection

from assurance.levels import AAL
from assurance.login import Login
from idp.token.lookups import Known


def claims_about(login: Login, known: Known | None, scopes: Collection[str]) -> dict[str, object]:
    """What the scopes ask for, as far as the login may release it."""
    claims: dict[str, object] = {}
    if known is None or login.assurance.level.aal == AAL.CONTACT:
        return claims
    if "profile" in scopes and known.profile is not None:
        claims |= {"name": known.profile.name, "birthdate": known.profile.birth_date.isoformat()}
    if "email" in scopes and known.addresses:
        claims |= {"email": known.addresses[0], "email_verified": True}
    return claims
