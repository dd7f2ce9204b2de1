"""The decision API (AuthZEN Authorization API 1.0 §6, §9, §12)."""

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from assurance.batch import Insert, Writing
from assurance.database import table_of
from assurance.events import Event, EventName
from assurance.person import new_id
from assurance.wards import WardCode
from card.faults import Fault
from card.jose import strict_json
from card.pages import LOCALES, Pages
from card.pages.forms import bearer, read_body
from delegation.decision import Acting, Answer, Caller, Question, Reason, decide
from delegation.handles import handle_of
from delegation.parts import Parts
from delegation.tables import DecisionRow

PATH: Final = "/access/v1/evaluation"
_DECISION: Final = table_of(DecisionRow)
_LONGEST_ID: Final = 256
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


class MalformedError(ValueError):
    """A request that AuthZEN §12.1 answers with 400 and a sentence."""


def _object(value: object, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise MalformedError(f"{name} is missing or no object")
    return value


def _text(parent: Mapping[str, Any], name: str, path: str) -> str:
    value = parent.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_ID or _UNSTORABLE.search(value):
        raise MalformedError(f"{path}.{name} is missing or no text")
    return value


def parse(body: bytes, content_type: str) -> tuple[Question, str]:
    """Read a request (§6.1); unknown members are ignored.

    :returns: the question, and the token in `context`, which may be empty.
    :raises MalformedError: naming the member that is wrong; `principal` is required.
    """
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise MalformedError("the body is application/json")
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


def keep(
    ward: WardCode, caller: Caller, question: Question, acting: Acting | None, answer: Answer, now: datetime
) -> Writing:
    """What is kept of a decision: its leaf, and where someone acted the row that its principal sees."""
    name = EventName.DECISION_ALLOWED if answer.allowed else EventName.DECISION_DENIED
    told = {} if acting is None else _told(acting, question, caller)
    clear: dict[str, str | int | bool] = {"caller": caller.id, "reason": str(answer.reason)}
    rows = () if acting is None else (Insert(_DECISION, _row(ward, caller, question, acting, answer, now)),)
    return Writing(ward, new_id(), rows=rows, events=(Event(name, ward, now, told, clear),))


def _row(
    ward: WardCode, caller: Caller, question: Question, acting: Acting, answer: Answer, now: datetime
) -> dict[str, object]:
    return {
        "ward": ward,
        "id": new_id(),
        "at": now,
        "caller": caller.id,
        "subject": acting.person,
        "principal": acting.principal,
        "procedure": question.procedure,
        "action": question.action,
        "allowed": answer.allowed,
        "reason": str(answer.reason),
        "grant": answer.grant,
    }


def _told(acting: Acting, question: Question, caller: Caller) -> dict[Any, dict[str, str]]:
    what = {"procedure": question.procedure, "action": question.action, "caller": caller.id}
    return {person: what for person in (acting.person, acting.principal)}


@cache
def _texts(pages: Pages, reason: Reason) -> Mapping[str, str]:
    return {locale: pages.text(locale, f"delegation.reason.{reason}") for locale in LOCALES}


def describe(parts: Parts, caller: Caller, answer: Answer) -> dict[str, Any]:
    """The response (§6.2): the decision, why, and what would make it pass."""
    context: dict[str, Any] = {
        "reason": str(answer.reason),
        "reason_user": _texts(parts.pages, answer.reason),
    }
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


def evaluation_routes(parts: Parts) -> Sequence[Route]:
    """The API of one ward."""

    async def evaluation(request: Request) -> Response:
        asked: tuple[Question, str] | MalformedError
        try:
            asked = parse(await read_body(request), request.headers.get("content-type", ""))
        except Fault:
            asked = MalformedError("the body is too large")
        except MalformedError as error:
            asked = error
        token = "" if isinstance(asked, MalformedError) else asked[1]
        caller, acting = await asyncio.gather(
            parts.callers.authenticate(bearer(request)), parts.presented.resolve(token)
        )
        if caller is None:
            challenge = {"WWW-Authenticate": 'Bearer scope="decide"'}
            return JSONResponse("the caller is not authenticated", 401, challenge)
        if isinstance(asked, MalformedError):
            return JSONResponse(str(asked), 400)
        question, now = asked[0], parts.clock.now()
        answer = decide(question, caller, acting, parts.procedures, parts.rules, now)
        await parts.batch.writer.commit(keep(parts.ward.code, caller, question, acting, answer, now))
        return Response(
            json.dumps(describe(parts, caller, answer), ensure_ascii=False),
            media_type="application/json",
            headers={"Cache-Control": "no-store"},
        )

    return [Route(PATH, evaluation, methods=["POST"])]
