"""The ward system's side, over real HTTP: codes, tokens, decisions."""

import json
from typing import Any

from card.jose import unverified_claims
from tests.idp.conftest import CALLBACK, VERIFIER, WardSystem, challenge, returned
from tests.workers.browser import Answer, Balancer, Resident, expect, interaction_of
from tests.workers.deployment import PROCEDURE, Deployment


class System:
    """The portal."""

    def __init__(self, deployment: Deployment, balancer: Balancer) -> None:
        self._http = balancer
        self._registered = WardSystem(deployment.client, deployment.signer, deployment.services, balancer)  # type: ignore[arg-type] # asks as a TestClient does
        self._decides = ""

    def _authorize(self, resident: Resident, **more: str) -> Answer:
        asked = {
            "response_type": "code",
            "client_id": "portal",
            "redirect_uri": CALLBACK,
            "scope": "openid profile kaigo",
            "code_challenge": challenge(),
            "code_challenge_method": "S256",
        }
        return resident.browser.send("GET", "/authorize", params=asked | more)

    def own_code(self, resident: Resident) -> str:
        """A code of someone who acts for themselves."""
        return returned(expect(self._authorize(resident, prompt="none"), 303))["code"]

    def acting_code(self, resident: Resident, grant: str) -> str:
        """A code of someone who picks for whom to act."""
        resumed = expect(self._authorize(resident), 303)
        i = interaction_of(resumed)
        expect(resident.get(resumed.headers["location"]), 200)
        return returned(expect(resident.post("/authorize/act", i=i, acting=grant), 303))["code"]

    def post(self, path: str, **form: str) -> Answer:
        """Ask as the authenticated client."""
        answer: Answer = self._registered.post(path, form)
        return answer

    def redeem(self, code: str) -> Answer:
        return self.post(
            "/token",
            grant_type="authorization_code",
            code=code,
            redirect_uri=CALLBACK,
            code_verifier=VERIFIER,
        )

    def refresh(self, token: str) -> Answer:
        return self.post("/token", grant_type="refresh_token", refresh_token=token)

    def is_active(self, token: str) -> bool:
        active: bool = expect(self.post("/introspect", token=token), 200).json()["active"]
        return active

    def log_in(self) -> None:
        """Get a token to ask for decisions with, which lasts ten minutes."""
        answer = expect(self.post("/token", grant_type="client_credentials", scope="decide"), 200)
        self._decides = answer.json()["access_token"]

    def decides(self, token: str, action: str = "file") -> bool:
        """Whether the holder of a token may do something now."""
        claims: Any = unverified_claims(token)
        question = {
            "subject": {"type": "person", "id": claims.get("act", claims)["sub"]},
            "action": {"name": action},
            "resource": {"type": "procedure", "id": PROCEDURE, "properties": {"principal": claims["sub"]}},
            "context": {"token": token},
        }
        headers = {"authorization": f"Bearer {self._decides}", "content-type": "application/json"}
        answer = self._http.post("/access/v1/evaluation", content=json.dumps(question), headers=headers)
        decision: bool = expect(answer, 200).json()["decision"]
        return decision
