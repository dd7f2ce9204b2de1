"""A responder and a publisher of lists that we did not write: certomancer, over a socket.

It answers for the test authority's own root and cards; keys and certificates are made at run time.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from asn1crypto.x509 import Name
from certomancer.integrations.animator import Animator, AnimatorArchStore
from certomancer.registry import ArchLabel, CertomancerConfig, EntityLabel
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from werkzeug.serving import WSGIRequestHandler, make_server

from card.certificates import Purpose
from card.test_authority import TestAuthority, distribution_point
from tests.card.conftest import NOW
from tests.card.ocsp_answers import Signer


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        pass


def _pem(folder: Path, name: str, key: Any) -> Mapping[str, str]:
    path = folder / f"{name}.pem"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return {"path": path.name}


def _certificate(folder: Path, name: str, certificate: x509.Certificate) -> str:
    path = folder / f"{name}.crt"
    path.write_bytes(certificate.public_bytes(Encoding.DER))
    return path.name


def _configuration(
    folder: Path,
    authority: TestAuthority,
    responder: Signer,
    leaves: Mapping[str, x509.Certificate],
    revoked: Mapping[str, str],
    validity: timedelta | None,
) -> Mapping[str, Any]:
    root = authority.roots[Purpose.AUTHENTICATION]
    keys: dict[str, Any] = {
        "root": _pem(folder, "root", root.key),
        "responder": _pem(folder, "responder", responder.key),
    }
    lasts = {"valid-from": (NOW - timedelta(days=1)).isoformat(), "valid-to": "2040-01-01T00:00:00+0000"}
    certificates: dict[str, Any] = {
        "root": {
            "subject": "root", "issuer": "root", "validity": lasts, "serial": root.certificate.serial_number,
            "certificate-file": _certificate(folder, "root", root.certificate),
        },
        "responder": {
            "subject": "responder", "issuer": "root", "validity": lasts,
            "serial": responder.certificate.serial_number,
            "certificate-file": _certificate(folder, "responder", responder.certificate),
        },
    }  # fmt: skip
    for name, leaf in leaves.items():
        pem = leaf.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (folder / f"{name}.pub").write_bytes(pem)
        keys[name] = {"path": f"{name}.pub", "public-only": True}
        certificates[name] = {
            "subject": name, "issuer": "root", "validity": lasts, "serial": leaf.serial_number,
            "certificate-file": _certificate(folder, name, leaf),
        }  # fmt: skip
        if name in revoked:
            since = (NOW - timedelta(hours=1)).isoformat()
            certificates[name]["revocation"] = {"revoked-since": since, "reason": revoked[name]}
    return {
        "keysets": {"keys": {"keys": keys}},
        "pki-architectures": {
            "authority": {
                "keyset": "keys",
                "entities": {name: {"common-name": name} for name in (*keys, "point")},
                "certs": certificates,
                "services": {
                    "ocsp": {
                        "responder": {
                            "for-issuer": "root",
                            "responder-cert": "responder",
                            "signing-key": "responder",
                            "validity-period": None if validity is None else {"seconds": validity.seconds},
                        }
                    },
                    "crl-repo": {
                        "lists": {
                            "for-issuer": "root",
                            "signing-key": "root",
                            "simulated-update-schedule": "P1D",
                            "distribution-point-name": {
                                "include-url-in-distribution-point-name": False,
                                "full-directory-name": "point",
                            },
                        }
                    },
                },
            }
        },
    }


def _rename(config: CertomancerConfig, authority: TestAuthority) -> None:
    """Give the names that repeat an attribute, which its configuration cannot state."""
    entities = config.pki_archs[ArchLabel("authority")].entities
    point = distribution_point(Purpose.AUTHENTICATION).value
    for label, name in (
        ("root", authority.roots[Purpose.AUTHENTICATION].certificate.subject),
        ("point", point),
    ):
        entities._dict[EntityLabel(label)] = Name.load(name.public_bytes())


@contextmanager
def certomancer(
    folder: Path,
    authority: TestAuthority,
    responder: Signer,
    leaves: Mapping[str, x509.Certificate],
    *,
    revoked: Mapping[str, str] | None = None,
    at: datetime = NOW,
    validity: timedelta | None = timedelta(minutes=10),
) -> Iterator[str]:
    """Serve an authority's answers and lists; yields the address of it.

    :param revoked: the reasons, as asn1crypto calls them.
    """
    made = _configuration(folder, authority, responder, leaves, revoked or {}, validity)
    config = CertomancerConfig(made, key_search_dir=str(folder), config_search_dir=str(folder))
    _rename(config, authority)
    app = Animator(AnimatorArchStore(config.pki_archs), at_time=at, with_web_ui=False)
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/authority"
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
