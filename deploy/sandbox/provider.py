"""The provider as the sandbox runs it: the production program, allowed a plain-HTTP issuer and test cards.

`python -m deploy.sandbox.provider CODE`: who reaches it from another machine picks a person with this code.
"""

import sys
from ipaddress import ip_address

from deploy.sandbox.pick import PickAPerson
from idp import logs, serving
from idp.services import compose
from idp.settings import Settings


def on_loopback(host: str) -> bool:
    """Whether what listens on this address is reached from this machine alone."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def main() -> None:
    """Serve until stopped."""
    logs.configure()
    settings = Settings()
    pick = PickAPerson(None if on_loopback(settings.host) else sys.argv[1])
    serving.run(settings, compose(settings, sandbox=True, other_logins=[pick]))


if __name__ == "__main__":
    main()
