"""The people of the sandbox, registered at the counter by two staff through the functions that staff use."""

import secrets
from datetime import date, datetime
from pathlib import Path
from typing import Final

from assurance import counter
from assurance.counter import LinkedCard
from assurance.sealed import MasterKeys
from card.bridge.enrolment import write_enrolment
from card.certificates import read_certificate
from card.clock import SystemClock
from card.container import SigningPurpose, named_certificates, prepare, verify_signed_by_card
from card.jose import SoftwareSigner
from card.test_authority import Holder, TestAuthority
from card.virtual.card import VirtualCard
from card.virtual.holder import sign_as_holder
from card.virtual.store import load_deck, save_card, write_private
from deploy.sandbox.layout import Layout
from idp.card_requests import answer_uri
from idp.cli.serve import SANDBOX_KEY
from idp.clients import DECIDE, Client
from idp.keys import KeyPurpose
from idp.registration import register_client
from idp.schema import migrate
from idp.services import Services, compose, open_database

PIN: Final = "1234"
PASSWORD: Final = "ABC123"  # noqa: S105 - the sandbox's, printed in its tour
_HOME: Final = "東京都渋谷区宇田川町１番１号"
STAFF: Final = tuple(
    Holder(name, date(1980, 4, day), "1", "東京都渋谷区神南１番１号")
    for day, name in enumerate(("職員\u3000一郎", "職員\u3000二郎", "職員\u3000三郎"), 1)
)
RESIDENTS: Final = {
    "hanako@example.jp": Holder("田中\u3000花子", date(1948, 5, 3), "2", _HOME),
    "yuki@example.jp": Holder("田中\u3000由紀", date(1975, 9, 12), "2", _HOME),
}


def _make_cards(authority: TestAuthority, layout: Layout, now: datetime) -> None:
    for folder, holders in ((layout.staff, STAFF), (layout.deck, tuple(RESIDENTS.values()))):
        for number, holder in enumerate(holders, 1):
            save_card(
                authority.issue_card(holder, now, pin=PIN, password=PASSWORD), folder / f"{number}.json"
            )


def prepare_folder(layout: Layout) -> TestAuthority:
    """Make what is not there yet, and publish today's revocation lists."""
    now, trusted = SystemClock().now(), layout.authority / "trust"
    if not trusted.exists():
        layout.folder.mkdir(parents=True, exist_ok=True)
        made = MasterKeys.generate()
        named = f"{SANDBOX_KEY}-{made.current}"  # so that production can tell it
        MasterKeys(named, {named: made.keys[made.current]}).save(layout.folder / "master.key")
        _make_cards(TestAuthority.create(layout.authority, now), layout, now)
    layout.write_procedures()
    layout.write_environment()
    authority = TestAuthority.load(layout.authority)
    authority.publish_crls(now)
    return authority


def _link(services: Services, card: VirtualCard) -> LinkedCard:
    """Let both keys of a card sign a request that names both of its certificates."""
    contents, expecting, now = card.contents, SigningPurpose.LINK, services.clock.now()
    both = (contents.authentication_certificate, contents.signature_certificate)
    prepared = prepare(
        expecting,
        issuer=services.ward.issuer,
        audience=answer_uri(services),
        nonce=secrets.token_bytes(32),
        issued_at=now,
        certificates=named_certificates(read_certificate(der) for der in both),
    )
    authentication, signature = (
        verify_signed_by_card(
            sign_as_holder(card, prepared, certificate),
            expecting=expecting,
            prepared=prepared,
            trust=services.trust,
            now=now,
        )
        for certificate in expecting.certificates
    )
    return LinkedCard(authentication, signature)


def _cards(folder: Path, holders: tuple[Holder, ...]) -> list[VirtualCard]:
    deck = load_deck(folder)
    return [deck[holder.name.replace("\u3000", "")] for holder in holders]


def _register_portal(services: Services, layout: Layout) -> None:
    """The sample ward system: one row, with its key, audience, sector and procedures."""
    if not layout.portal_key.exists():
        write_private(layout.portal_key, SoftwareSigner.generate().private_pem())
    signer = SoftwareSigner.from_pem(layout.portal_key.read_bytes())
    client = Client(
        client_id="kaigo-portal",
        name={"ja": "介護保険 申請ポータル", "en": "Care insurance portal"},
        redirect_uris=(f"{layout.portal}/callback",),
        post_logout_redirect_uris=(f"{layout.portal}/bye",),
        auth_method="private_key_jwt",
        sector="kaigo",
        audience=layout.portal,
        scopes=frozenset({"openid", "profile", "kaigo", DECIDE}),
        procedures=frozenset({"kaigo.nintei.renew", "kaigo.card.reissue", "kaigo.plan.notify"}),
        delegation_aware=True,
        jwks={"keys": [signer.public_jwk()]},
    )
    with services.database.writing(services.ward.code) as unit:
        register_client(unit, client, services.procedures, services.clock.now())


def seed(layout: Layout) -> None:
    """Register the staff, then the residents, once; pin the provider for the bridge."""
    settings = layout.settings()
    database, _ = open_database(settings)
    migrate(database)
    database.close()
    services = compose(settings, sandbox=True)[0]
    now = services.clock.now()
    write_enrolment(
        layout.enrolment,
        services.ward.issuer,
        answer_uri(services),
        services.keys.signer(KeyPurpose.REQUEST).public_jwk(),
    )
    _register_portal(services, layout)
    marker = layout.folder / "seeded"
    if not marker.exists():
        with services.database.writing(services.ward.code) as unit:
            one, two, three = (_link(services, card) for card in _cards(layout.staff, STAFF))
            staff = counter.begin_staff(unit, services.vault, services.thresholds, (one, two, three), now)
            for address, card in zip(RESIDENTS, _cards(layout.deck, tuple(RESIDENTS.values())), strict=True):
                counter.register(
                    unit,
                    services.vault,
                    services.thresholds,
                    _link(services, card),
                    staff=(staff[0], staff[1]),
                    address_read_back=address,
                    now=now,
                )
        marker.touch()
    services.database.close()
