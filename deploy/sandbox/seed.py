"""The people of the sandbox, registered at the counter by two staff through the functions that staff use."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Final

from sqlmodel import select

from assurance import counter
from assurance.linking import LinkedCard
from assurance.sealed import MasterKeys
from assurance.tables import RoleRow
from assurance.wards import WardCode
from card.bridge.enrolment import Pin, write_enrolment
from card.clock import SystemClock
from card.container import SigningPurpose, prepare
from card.jose import SoftwareSigner
from card.linking import link_on, verify_link
from card.private_file import write_private
from card.test_authority import Holder, TestAuthority
from card.virtual.card import VirtualCard
from card.virtual.holder import lay_down
from card.virtual.store import load_deck, save_card
from delegation.audit.closing import close_own
from delegation.audit.recorder import writers_of
from deploy.sandbox.layout import NEIGHBOUR, WARD, Layout
from deploy.sandbox.national import seed as national
from deploy.sandbox.national.provider import BASE
from deploy.sandbox.national.provider import Client as Applicant
from idp.card_requests import answer_uri
from idp.cli.serve import SANDBOX_KEY
from idp.clients import DECIDE, Client
from idp.keys import KeyPurpose
from idp.registration import register_client
from idp.schema import migrate
from idp.services import Services, compose, open_database

PIN: Final = "1234"
PASSWORD: Final = "ABC123"  # noqa: S105 - the sandbox's, printed in its tour
RENEWED: Final = "田中花子（更新後）"
_HOME: Final = "東京都渋谷区宇田川町１番１号"
STAFF: Final = tuple(
    Holder(name, date(1980, 4, day), "1", "東京都渋谷区神南１番１号")
    for day, name in enumerate(("職員\u3000一郎", "職員\u3000二郎", "職員\u3000三郎"), 1)
)


@dataclass(frozen=True, slots=True)
class Resident:
    """A resident of the sandbox.

    :param address: read back at the counter; none for who has no mailbox.
    """

    holder: Holder
    address: str | None
    wards: tuple[WardCode, ...] = (WARD,)


RESIDENTS: Final = (
    # Known in both wards by the same card and address, and yet another person in each.
    Resident(Holder("田中\u3000花子", date(1948, 5, 3), "2", _HOME), "hanako@example.jp", (WARD, NEIGHBOUR)),
    Resident(Holder("田中\u3000由紀", date(1975, 9, 12), "2", _HOME), "yuki@example.jp"),
    Resident(Holder("鈴木\u3000一郎", date(1944, 2, 29), "1", "東京都渋谷区本町２番２号"), None),
    Resident(Holder("桜井\u3000道子", date(1968, 3, 28), "2", _HOME), "sakurai@example.jp"),
    Resident(Holder("佐藤\u3000健", date(1985, 7, 7), "1", _HOME), "sato@example.jp"),
    Resident(Holder("森\u3000緑", date(1990, 11, 3), "2", _HOME), "mori@example.jp"),
)


NEWCOMER: Final = Holder("高橋\u3000和子", date(1952, 10, 8), "2", "東京都渋谷区恵比寿３番３号")
"""Whom no ward knows yet: two staff register her at the counter."""


def _make_cards(authority: TestAuthority, layout: Layout, now: datetime) -> None:
    holders = (*(resident.holder for resident in RESIDENTS), *STAFF)
    for number, holder in enumerate(holders, 1):
        card = authority.issue_card(holder, now, pin=PIN, password=PASSWORD)
        save_card(card, layout.deck / f"{number:02d}.json")
    hanako = RESIDENTS[0].holder  # her next card: unknown here until she links it, or the counter does
    renewed = authority.issue_card(hanako, now, pin=PIN, password=PASSWORD, label=RENEWED)
    save_card(renewed, layout.deck / f"{len(holders) + 1:02d}.json")
    newcomer = authority.issue_card(NEWCOMER, now, pin=PIN, password=PASSWORD)
    save_card(newcomer, layout.deck / f"{len(holders) + 2:02d}.json")


def _app_key(layout: Layout, ward: WardCode) -> Path:
    return layout.folder / f"app-{ward}.pem"


def _apply_for_the_app(layout: Layout) -> None:
    """Each ward applies to the national app with a key of its own; every resident has a phone."""
    applicants = []
    for ward, issuer in layout.issuers.items():
        key = _app_key(layout, ward)
        if not key.exists():
            write_private(key, SoftwareSigner.generate().private_pem())
        signer = SoftwareSigner.from_pem(key.read_bytes())
        applicants.append(Applicant(f"RP{ward}", f"{issuer}/app/back", signer.public_jwk()))
    national.save(layout.national_file, applicants, [resident.holder for resident in RESIDENTS])


def _write_upstreams(layout: Layout) -> None:
    entries = [
        f'[{ward}.app]\nissuer = "{layout.national}{BASE}"\nclient_id = "RP{ward}"\n'
        f'key_file = "{_app_key(layout, ward)}"\n'
        for ward in layout.issuers
    ]
    layout.upstreams.write_text("\n".join(entries), "utf-8")


def prepare_folder(layout: Layout) -> TestAuthority:
    """Make what is not there yet, and publish today's revocation lists."""
    now, trusted = SystemClock().now(), layout.authority / "trust"
    if not trusted.exists():
        layout.folder.mkdir(parents=True, exist_ok=True)
        made = MasterKeys.generate()
        named = f"{SANDBOX_KEY}-{made.current}"  # so that production can tell it
        MasterKeys(named, {named: made.keys[made.current]}).save(layout.folder / "master.key")
        _make_cards(TestAuthority.create(layout.authority, now), layout, now)
    _apply_for_the_app(layout)
    _write_upstreams(layout)
    layout.write_procedures()
    layout.write_environment()
    authority = TestAuthority.load(layout.authority)
    authority.publish_crls(now)
    return authority


def _link(services: Services, card: VirtualCard) -> LinkedCard:
    """Let both keys of a card sign a linking request."""
    now = services.clock.now()
    prepared = prepare(
        SigningPurpose.LINK,
        issuer=services.ward.issuer,
        audience=answer_uri(services),
        nonce=secrets.token_bytes(32),
        issued_at=now,
    )
    pair = link_on(lay_down(card), prepared, bytearray(PIN, "ascii"), bytearray(PASSWORD, "ascii"))
    return LinkedCard(*verify_link(pair, prepared=prepared, trust=services.trust, now=now))


def _card(deck: Mapping[str, VirtualCard], holder: Holder) -> VirtualCard:
    return deck[holder.name.replace("\u3000", "")]


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
        reads_cards=True,
        jwks={"keys": [signer.public_jwk()]},
    )
    with services.database.writing(services.ward.code) as unit:
        register_client(unit, client, services.procedures, services.clock.now())


def _pin(services: Services) -> Pin:
    """What the bridge must know of a ward."""
    key = services.keys.signer(KeyPurpose.REQUEST).public_jwk()
    return Pin(services.ward.issuer, answer_uri(services), key)


def _is_seeded(services: Services) -> bool:
    with services.database.reading(services.ward.code) as session:
        return session.exec(select(RoleRow).where(RoleRow.ward == services.ward.code)).first() is not None


def _register_people(services: Services, layout: Layout) -> None:
    """Register the staff of a ward, then its residents, in one unit: all of them or none."""
    residents = [resident for resident in RESIDENTS if services.ward.code in resident.wards]
    deck, now = load_deck(layout.deck), services.clock.now()
    with services.database.writing(services.ward.code) as unit:
        one, two, three = (_link(services, _card(deck, holder)) for holder in STAFF)
        staff = counter.begin_staff(unit, services.vault, services.thresholds, (one, two, three), now)
        for resident in residents:
            counter.register(
                unit,
                services.vault,
                services.thresholds,
                _link(services, _card(deck, resident.holder)),
                staff=(staff[0], staff[1]),
                address_read_back=resident.address,
                now=now,
            )


def _close_writers(services: Services) -> None:
    """End what this process writes of the log; left open, it is taken for a crash half an hour later."""
    database, ward = services.database, services.ward.code
    close_own(database, ward, writers_of(database), services.clock.now(), stopping=True)


def seed(layout: Layout) -> None:
    """Register the people of each ward, once; pin the wards for the bridge."""
    settings = layout.settings()
    database, _ = open_database(settings)
    migrate(database)
    database.close()
    wards = {services.ward.code: services for services in compose(settings, sandbox=True)}
    write_enrolment(layout.enrolment, map(_pin, wards.values()))
    _register_portal(wards[WARD], layout)
    for services in wards.values():
        if not _is_seeded(services):
            _register_people(services, layout)
        _close_writers(services)
    wards[WARD].database.close()
