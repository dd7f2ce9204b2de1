"""Claims about the person who logged in (OIDC Core §5.4), never about someone they act for."""

from collections.abc import Collection

from assurance import identifiers, people
from assurance.database import Unit
from assurance.levels import AAL
from assurance.login import Login
from idp.services import Services


def claims_about(unit: Unit, services: Services, login: Login, scopes: Collection[str]) -> dict[str, object]:
    """What the scopes ask for, as far as the login may release it."""
    claims: dict[str, object] = {}
    if login.assurance.level.aal == AAL.CONTACT:
        return claims
    if "profile" in scopes:
        profile = people.profile(unit.session, services.vault, unit.ward, login.person)
        if profile is not None:
            claims |= {"name": profile.name, "birthdate": profile.birth_date.isoformat()}
    if "email" in scopes:
        addresses = identifiers.addresses_of(unit.session, services.vault, unit.ward, login.person)
        if addresses:
            claims |= {"email": addresses[0], "email_verified": True}
    return claims
