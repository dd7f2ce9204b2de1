import pytest

from assurance.wards import SPECIAL_WARDS, Ward, WardCode, has_check_digit, parse_ward, ward_name


def test_there_are_23_special_wards_with_true_check_digits() -> None:
    assert len(SPECIAL_WARDS) == 23
    assert all(has_check_digit(code) for code in SPECIAL_WARDS)


@pytest.mark.parametrize("text", ["131131", "13113", "１３１１３０", "", "011002", "131130 "])
def test_what_is_no_special_ward_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="special ward"):
        parse_ward(text)


def test_a_ward_is_named_in_both_languages() -> None:
    assert [ward_name(parse_ward("131130"), locale) for locale in ("ja", "en")] == ["渋谷区", "Shibuya City"]


def test_an_issuer_tells_origin_rp_id_and_path() -> None:
    ward = Ward(WardCode("131130"), "http://localhost:8400/131130")
    assert (ward.origin, ward.rp_id, ward.path) == ("http://localhost:8400", "localhost", "/131130")
