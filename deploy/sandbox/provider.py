"""The provider as the sandbox runs it: the production program, allowed a plain-HTTP issuer and test cards."""

from idp import logs, serving
from idp.services import compose
from idp.settings import Settings


def main() -> None:
    """Serve until stopped."""
    logs.configure()
    settings = Settings()
    serving.run(settings, compose(settings, sandbox=True))


if __name__ == "__main__":
    main()
