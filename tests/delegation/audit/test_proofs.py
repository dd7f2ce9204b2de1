"""The log's checkpoint and proofs over HTTP."""

from base64 import b64decode

import pytest
import sqlalchemy as sa
from sqlmodel import select

from delegation.audit import tree
from delegation.audit.checkpoint import (
    log_key,
    origin_of,
    read_checkpoint,
)
from delegation.audit.tables import LeafRow
from tests.delegation.audit.log import NODE, number_all, rewrite
from tests.delegation.conftest import Town


def test_a_log_that_lost_a_part_says_so(town: Town) -> None:
    town.active()
    number_all(town.services.database, town.services.ward, town.services.keys.log)
    rewrite(town.services.database, sa.delete(NODE))
    answer = town.yuki.get("/audit/inclusion?leaf=0&size=8")
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:dairi:fault:audit.damaged")
    grant = town.hanako.get("/grants").text.partition("/grants/")[2][:32]
    assert town.hanako.get(f"/grants/{grant}/mandate").status_code == 503


def test_the_log_serves_its_checkpoint_and_proofs(town: Town) -> None:
    town.active()
    assert town.yuki.get("/audit/checkpoint").status_code == 404
    number_all(town.services.database, town.services.ward, town.services.keys.log)
    origin = origin_of(town.services.ward.issuer)
    head = read_checkpoint(town.yuki.get("/audit/checkpoint").text, [log_key(origin, town.services.keys.log)])
    with town.services.database.reading() as session:
        leaf = session.exec(select(LeafRow).where(LeafRow.number == 2)).one()
    answer = town.yuki.get(f"/audit/inclusion?leaf=2&size={head.size}").json()
    proof = [b64decode(hash_) for hash_ in answer["proof"]]
    assert tree.includes(leaf.hash, 2, head.size, proof, head.root)
    town.hanako.log_in()
    number_all(town.services.database, town.services.ward, town.services.keys.log)
    newer = read_checkpoint(
        town.yuki.get("/audit/checkpoint").text, [log_key(origin, town.services.keys.log)]
    )
    assert newer.size > head.size
    answer = town.yuki.get(f"/audit/consistency?old={head.size}&size={newer.size}").json()
    proof = [b64decode(hash_) for hash_ in answer["proof"]]
    assert tree.continues(head.size, head.root, newer.size, newer.root, proof)
    assert not tree.continues(head.size, newer.root, newer.size, newer.root, proof)
    for query in (
        "leaf=2",
        f"leaf=2&size={newer.size + 1}",
        f"leaf={head.size}&size={head.size}",
        "leaf=-1&size=2",
    ):
        assert town.yuki.get(f"/audit/inclusion?{query}").status_code == 404


@pytest.mark.parametrize("path", ["inclusion?leaf={a}&size={b}", "consistency?old={a}&size={b}"])
def test_rfc9162_2_1_3_whatever_is_asked_of_the_log_is_proven_or_there_is_none(town: Town, path: str) -> None:
    town.active()
    number_all(town.services.database, town.services.ward, town.services.keys.log)
    size = int(town.yuki.get("/audit/checkpoint").text.split("\n")[1])
    odd: list[object] = [
        2**63 - 1, 2**63, 2**64, 10**400, -(2**63), -1, 0, 1, size, size + 1, "0x2", "1e3", "\u0662", " 1",
        "1.0", "", "a", "1&size=2", "NaN", "%00",
    ]  # fmt: skip
    for asked in odd:
        for a, b in ((asked, size), (1, asked), (asked, asked)):
            answer = town.yuki.get("/audit/" + path.format(a=a, b=b))
            assert answer.status_code in {200, 400, 404}, (a, b, answer.status_code)
            if answer.status_code == 200:
                assert 0 <= int(str(a).partition("&")[0]) <= size, (a, b)
