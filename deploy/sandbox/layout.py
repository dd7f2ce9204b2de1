"""Where the sandbox keeps its state and where its parts answer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

from assurance.wards import WardCode
from idp.settings import Settings

WARD: Final = WardCode("131130")
"""The ward of the sample ward system."""
NEIGHBOUR: Final = WardCode("131121")
"""A second ward in the same process and database, of which the first never sees anything."""


@dataclass(frozen=True, slots=True)
class Layout:
    """One sandbox: a folder and its ports.

    :param portal_host: `localhost`, or `127.0.0.1`, which is another site to a browser.
    :param in_process_card: the card lives in the bridge, without pcscd.
    """

    folder: Path
    provider_port: int
    portal_port: int
    mail_port: int
    bridge_port: int
    smtp_port: int
    in_process_card: bool
    portal_host: str = "localhost"
    national_port: int = 8404

    @property
    def issuers(self) -> Mapping[WardCode, str]:
        """Issuer by ward; `localhost`, because WebAuthn refuses IP addresses."""
        return {code: f"http://localhost:{self.provider_port}/{code}" for code in (WARD, NEIGHBOUR)}

    @property
    def issuer(self) -> str:
        """The issuer that the sample ward system trusts."""
        return self.issuers[WARD]

    @property
    def portal(self) -> str:
        """The sample ward system."""
        return f"http://{self.portal_host}:{self.portal_port}"

    @property
    def portal_key(self) -> Path:
        """Its private key."""
        return self.folder / "portal.pem"

    @property
    def mail(self) -> str:
        """Where caught mail is read."""
        return f"http://localhost:{self.mail_port}"

    @property
    def bridge(self) -> str:
        """The bridge, on loopback."""
        return f"http://127.0.0.1:{self.bridge_port}"

    @property
    def national(self) -> str:
        """What stands in for the national app."""
        return f"http://localhost:{self.national_port}"

    @property
    def national_file(self) -> Path:
        """What it knows."""
        return self.folder / "national.json"

    @property
    def upstreams(self) -> Path:
        """The wards' file of upstreams."""
        return self.folder / "upstreams.toml"

    @property
    def authority(self) -> Path:
        """The test authority's folder."""
        return self.folder / "authority"

    @property
    def deck(self) -> Path:
        """Everyone's cards."""
        return self.folder / "cards"

    @property
    def enrolment(self) -> Path:
        """What the bridge pins."""
        return self.folder / "enrolment.json"

    def environment(self) -> Mapping[str, str]:
        """The provider's settings."""
        return {
            "DAIRI_DATABASE_URL": f"sqlite:///{self.folder / 'dairi.db'}",
            "DAIRI_MASTER_KEY_FILE": str(self.folder / "master.key"),
            "DAIRI_WARDS": json.dumps(self.issuers),
            "DAIRI_TRUST_FOLDER": str(self.authority / "trust"),
            "DAIRI_CRL_FOLDER": str(self.authority / "crl"),
            "DAIRI_BRIDGE_URL": self.bridge,
            "DAIRI_UPSTREAMS_FILE": str(self.upstreams),
            "DAIRI_PROCEDURES_FILE": str(self.folder / "procedures.toml"),
            "DAIRI_SMTP_PORT": str(self.smtp_port),
            "DAIRI_PORT": str(self.provider_port),
        }

    def settings(self) -> Settings:
        """The same, for the seed, which runs in the sandbox's own process."""
        values = {name.removeprefix("DAIRI_").lower(): value for name, value in self.environment().items()}
        return Settings.model_validate(values | {"wards": self.issuers})

    def write_environment(self) -> None:
        """The same for a shell, so that the other commands can look at this sandbox."""
        lines = [f"export {name}='{value}'" for name, value in self.environment().items()]
        (self.folder / "environment").write_text("\n".join(lines) + "\n", "utf-8")

    def write_procedures(self) -> None:
        """The procedures that ship, but for one that needs a card here, so that a step-up can be seen."""
        text = files("policies").joinpath("procedures.toml").read_text("utf-8")
        head, entry, rest = text.partition('[procedure."kaigo.card.reissue"]')
        raised = rest.replace('level = "2/2"', 'level = "2/3"', 1)
        (self.folder / "procedures.toml").write_text(head + entry + raised, "utf-8")
