"""The decision API (AuthZEN Authorization API 1.0 §6, §9, §12)."""

import json
from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from assurance.database import Unit
from assurance.events import Event, EventName
from assurance.person import new_id
from assurance.wards import WardCode
from card.jose import strict_json
from card.pages import LOCALES
from delegation import registry
from delegation.decision import Acting, Answer, Caller, Question, decide
from delegation.grant import GrantId
from delegation.handles import handle_of
from delegation.parts import Parts
from delegation.tables import DecisionRow

PATH: Final = "/access/v1/evaluation"
_MOST_BYTES: Final = 64 * 1024
_LONGEST_ID: Final = 256


class MalformedError(ValueError):
    """A request that AuthZEN §12.1 answers with 400 and a sentence."""


def _object(value: object, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise MalformedError(f"{name} is missing or no object")
    return value


def _text(parent: Mapping[str, Any], name: str, path: str) -> str:
    value = parent.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_ID or "\x00" in value:
        raise MalformedError(f"{path}.{name} is missing or no text")
    return value


def parse(body: bytes, content_type: str) -> tuple[Question, str]:
    """Read a request (§6.1); unknown members are ignored.

    :returns: the question, and the token in `context`, which may be empty.
    :raises MalformedError: naming the member that is wrong; `principal` is required.
    """
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise MalformedError("the body is application/json")
    if len(body) > _MOST_BYTES:
        raise MalformedError("the body is too large")
    try:
        document = strict_json(body)
    except (ValueError, RecursionError) as error:
        raise MalformedError("the body is no JSON object") from error
    subject, action = _object(document.get("subject"), "subject"), _object(document.get("action"), "action")
    resource = _object(document.get("resource"), "resource")
    for entity, name in ((subject, "subject"), (resource, "resource")):
        _text(entity, "type", name)
    properties = _object(resource.get("properties"), "resource.properties")
    context = _object(document.get("context", {}), "context")
    token = context.get("token", "")
    if not isinstance(token, str):
        raise MalformedError("context.token is no text")
    known = subject["type"] == "person" and resource["type"] == "procedure"
    question = Question(
        subject=_text(subject, "id", "subject"),
        principal=_text(properties, "principal", "resource.properties"),
        procedure=_text(resource, "id", "resource") if known else "",
        action=_text(action, "name", "action"),
    )
    return question, token


def evaluate(unit: Unit, parts: Parts, caller: Caller, question: Question, token: str) -> Answer:
    """Decide, and keep what was decided."""
    now = parts.clock.now()
    acting = parts.presented.resolve(unit.session, caller, token) if token else None
    rows = (
        ()
        if acting is None or acting.grant is None
        else registry.usable(
            unit.session, unit.ward, acting.person, now, principal=acting.principal, id_=acting.grant
        )
    )
    grants = [(GrantId(row.id), registry.terms_of(row)) for row in rows]
    answer = decide(question, caller, acting, grants, parts.procedures, parts.rules, now)
    name = EventName.DECISION_ALLOWED if answer.allowed else EventName.DECISION_DENIED
    told = {} if acting is None else _told(acting, question, caller)
    clear: dict[str, str | int | bool] = {"caller": caller.id, "reason": str(answer.reason)}
    unit.record(Event(name, unit.ward, now, told, clear))
    if acting is not None:
        unit.session.add(
            DecisionRow(
                ward=unit.ward,
                id=new_id(),
                at=now,
                caller=caller.id,
                subject=acting.person,
                principal=acting.principal,
                procedure=question.procedure,
                action=question.action,
                allowed=answer.allowed,
                reason=str(answer.reason),
                grant=answer.grant,
            )
        )
    return answer


def _told(acting: Acting, question: Question, caller: Caller) -> dict[Any, dict[str, str]]:
    what = {"procedure": question.procedure, "action": question.action, "caller": caller.id}
    return {person: what for person in (acting.person, acting.principal)}


def describe(parts: Parts, caller: Caller, answer: Answer) -> dict[str, Any]:
    """The response (§6.2): the decision, why, and what would make it pass."""
    texts = {locale: parts.pages.text(locale, f"delegation.reason.{answer.reason}") for locale in LOCALES}
    context: dict[str, Any] = {"reason": str(answer.reason), "reason_user": texts}
    if answer.acr is not None:
        context["acr_values"] = answer.acr
    if answer.grant is not None:
        context["grant"] = handle_of(parts.vault, parts.ward.code, caller.sector, answer.grant)
    if answer.rule is not None:
        context["rule"] = answer.rule
    if answer.until is not None:
        context["until"] = answer.until.isoformat()
    return {"decision": answer.allowed, "context": context}


def metadata(issuer: str) -> dict[str, object]:
    """What callers discover (§9)."""
    return {"policy_decision_point": issuer, "access_evaluation_endpoint": issuer + PATH}


def evaluation_routes(parts: Parts) -> APIRouter:
    """The API of one ward."""
    router = APIRouter()

    def answer(token: str, body: bytes, content_type: str) -> Response:
        with parts.database.writing(WardCode(parts.ward.code)) as unit:
            caller = parts.callers.authenticate(unit.session, token)
            if caller is None:
                challenge = {"WWW-Authenticate": 'Bearer scope="decide"'}
                return JSONResponse("the caller is not authenticated", 401, challenge)
            try:
                question, presented = parse(body, content_type)
            except MalformedError as error:
                return JSONResponse(str(error), 400)
            decided = evaluate(unit, parts, caller, question, presented)
            return Response(
                json.dumps(describe(parts, caller, decided), ensure_ascii=False),
                media_type="application/json",
                headers={"Cache-Control": "no-store"},
            )

    @router.post(PATH)
    async def evaluation(request: Request) -> Response:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        body = await request.body()
        return await run_in_threadpool(
            answer,
            token.strip() if scheme.lower() == "bearer" else "",
            body,
            request.headers.get("content-type", ""),
        )

    return router
