"""Settings: every one of them, from the environment (`DAIRI_…`)."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What a deployment sets. Nothing else is read from the environment."""

    model_config = SettingsConfigDict(env_prefix="DAIRI_", frozen=True, extra="ignore")

    database_url: str = Field(description="SQLAlchemy address of the database.")
    master_key_file: Path = Field(description="File of the keys that wrap all others.")
    wards: dict[str, str] = Field(description="Issuer by ward code, as JSON.")
    trust_folder: Path = Field(description="Roots of the card's certificates, by purpose.")
    crl_folder: Path | None = Field(
        default=None, description="Revocation lists; without them a card counts 2/2 at most."
    )
    bridge_url: str = Field(default="http://127.0.0.1:8403", description="Where browsers find their bridge.")
    procedures_file: Path | None = Field(
        default=None, description="The ward's procedures; else those that ship."
    )
    smtp_host: str = Field(default="127.0.0.1", description="Mail server.")
    smtp_port: int = Field(default=25, description="Its port.")
    mail_sender: str = Field(default="noreply@ward.example", description="Address that mail is sent from.")
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8400, description="Port to listen on.")
