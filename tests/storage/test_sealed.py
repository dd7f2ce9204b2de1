from pathlib import Path

import pytest
from sqlmodel import delete

from assurance.database import Database
from assurance.person import PersonId
from assurance.sealed import MasterKeys, PersonKey, Unopenable, Vault, holds_my_number
from assurance.wards import Ward, WardCode

HANAKO = PersonId("a" * 32)


def test_a_field_opens_only_in_its_place_and_until_its_person_is_erased(
    database: Database, vault: Vault, ward: Ward
) -> None:
    with database.writing(ward.code) as unit:
        sealed = vault.new_cipher(unit.session, ward.code, HANAKO).seal(
            "神\ufa19", table="person", column="name", row="1"
        )
    with database.reading() as session:
        cipher = vault.cipher_for(session, ward.code, HANAKO)
        assert cipher.open(sealed, table="person", column="name", row="1") == "神\ufa19"
        for place in ({"table": "proof"}, {"column": "address"}, {"row": "2"}):
            with pytest.raises(Unopenable):
                cipher.open(sealed, **({"table": "person", "column": "name", "row": "1"} | place))
    with database.writing(ward.code) as unit:
        unit.session.exec(delete(PersonKey))
    with database.reading() as session, pytest.raises(Unopenable):
        vault.cipher_for(session, ward.code, HANAKO)


def test_macs_differ_by_ward_and_purpose(vault: Vault) -> None:
    shibuya, setagaya = WardCode("131130"), WardCode("131121")
    macs = {
        vault.mac(w, purpose, "a@example.jp") for w in (shibuya, setagaya) for purpose in ("email", "card")
    }
    assert len(macs) == 4
    assert vault.mac(shibuya, "email", "a@example.jp") in macs


def test_old_master_keys_go_on_opening_and_looking_up(tmp_path: Path) -> None:
    old = MasterKeys.generate()
    new = MasterKeys.generate()
    both = MasterKeys(new.current, {**old.keys, **new.keys})
    both.save(tmp_path / "keys")
    rotated = Vault(MasterKeys.from_file(tmp_path / "keys"))
    before, ward = Vault(old), WardCode("131130")
    assert rotated.open_for("challenge", before.seal_for("challenge", "x", "p"), "p") == "x"
    assert before.mac(ward, "email", "a") in rotated.macs(ward, "email", "a")
    cipher, wrapped = before.new_data_key(ward, "mandate/1")
    assert rotated.open_data_key(ward, "mandate/1", wrapped) == cipher
    with pytest.raises(Unopenable):
        rotated.open_for("challenge", before.seal_for("challenge", "x", "p"), "q")


@pytest.mark.parametrize(
    "text", ["123456789018", "番号は１２３４５６７８９０１８です", "1234-5678-9018", "1234 5678 9018"]
)
def test_what_looks_like_a_my_number_is_noticed(text: str) -> None:
    assert holds_my_number(text)


@pytest.mark.parametrize("text", ["123456789012", "03-1234-5678", "", "1234567890188"])
def test_other_numbers_are_not(text: str) -> None:
    assert not holds_my_number(text)
