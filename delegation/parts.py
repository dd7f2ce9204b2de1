"""What the registry's pages and its API are made of; the layer above passes its implementations in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sqlmodel import Session
from starlette.requests import Request
from starlette.responses import Response

from assurance.batch import Batch
from assurance.database import Database, Unit
from assurance.evidence import EmailCode
from assurance.levels import Requirement
from assurance.login import Login
from assurance.mail import Mailer
from assurance.procedures import Procedures
from assurance.sealed import Vault
from assurance.thresholds import Thresholds
from assurance.wards import Ward
from card.clock import Clock
from card.container import SigningPurpose
from card.jose import Signer
from card.pages import Pages
from delegation.decision import Acting, Caller
from delegation.grant import GrantId
from delegation.rules import Rules


class CurrentLogin(Protocol):
    """The login of a browser."""

    def current(self, session: Session, request: Request) -> Login | None:
        """Who this is, or None."""

    def browser(self, request: Request) -> str:
        """What binds a challenge to this browser."""

    def add(
        self, unit: Unit, request: Request, login: Login, evidence: EmailCode
    ) -> Callable[[Response], None]:
        """Add a read-back address to a login; what is returned sets its new cookie."""


class StepUp(Protocol):
    """The way to a login that is strong enough."""

    def ask(
        self, return_to: str, requirement: Requirement, keep: Mapping[str, Any] | None = None
    ) -> Response:
        """Send the browser there; it comes back to `return_to`, a path of this origin.

        :param return_to: `{i}` in it becomes what `kept` finds `keep` by.
        """

    def kept(self, request: Request, id_: str) -> Mapping[str, Any]:
        """What was kept for this browser on the way; empty when nothing was, or an hour ago."""


@dataclass(frozen=True, slots=True)
class Errand:
    """What a browser carries to the bridge.

    :param address: where the form is posted.
    :param request: the signed request.
    :param carry: sets the interaction's cookie.
    """

    address: str
    request: str
    carry: Callable[[Response], None]


class SignRequester(Protocol):
    """Asks for a signature of someone's card."""

    def ask(
        self,
        unit: Unit,
        purpose: SigningPurpose,
        about: str,
        *,
        locale: str,
        text: str | None = None,
        template: str | None = None,
        content: Mapping[str, Any] | None = None,
        pages: tuple[str, str],
    ) -> Errand:
        """Prepare it.

        :param about: what the signature is about, such as a grant's id; it comes back with what was signed.
        :param pages: where the browser goes afterwards, and when the person changes her mind.
        """


class Callers(Protocol):
    """Who calls the decision API."""

    async def authenticate(self, token: str) -> Caller | None:
        """The ward system of a client token with the scope `decide`, through the batch door."""

    def name(self, session: Session, caller: str) -> Mapping[str, str]:
        """What people know a system by."""


class Presented(Protocol):
    """Resolves access tokens."""

    async def resolve(self, token: str) -> Acting | None:
        """A live token and what it rests on, in one snapshot of the batch door; None for anything else."""


class GrantEnded(Protocol):
    """Told of every ending, in the ending's own unit."""

    def __call__(self, unit: Unit, grant: GrantId) -> None:
        """End what hangs from the grant."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of one ward's registry."""

    ward: Ward
    database: Database
    vault: Vault
    clock: Clock
    pages: Pages
    procedures: Procedures
    thresholds: Thresholds
    rules: Rules
    mailer: Mailer
    batch: Batch
    archive: Signer
    logins: CurrentLogin
    step_up: StepUp
    signing: SignRequester
    callers: Callers
    presented: Presented
    grant_ended: GrantEnded

    def address(self, path: str) -> str:
        """A page of this ward, as a path of its origin."""
        return f"{self.ward.path}{path}"
