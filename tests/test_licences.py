"""What may leave the machine: decided file by file, and in one place."""

import pytest

from babyvlm.corpus import open_corpus
from babyvlm.corpus.layouts import licence_of_picture, read_name
from babyvlm.errors import ConfigError
from babyvlm.licences import OWN_PHOTOGRAPHS, is_restricted, joint_licence, refuse_licences, refuse_restricted
from babyvlm.records import Item, ItemTurn, Origin

SAYCAM, BABYVIEW = "restricted: SAYCam (Databrary)", "restricted: BabyView (Databrary)"


@pytest.mark.case("identity")
@pytest.mark.parametrize(
    ("licence", "stays"),
    [
        ("restricted", True), ("restricted: SAYCam", True), ("Restricted - our lab", True), (" RESTRICTED", True),
        ("SAYCam, restricted access", True), ("unknown", True), ("Unknown ", True), ("", True), ("n/a", True),
        ("CC0 and restricted: SAYCam", True), ("unknown and CC0", True), ("CC0", False), ("Apache-2.0", False),
        ("unrestricted", False), ("our own recordings", False), (OWN_PHOTOGRAPHS, False), ("CC0 and CC BY", False),
    ],
)  # fmt: skip
def test_what_is_restricted_or_undeclared_stays(licence, stays):
    assert is_restricted(licence) is stays


@pytest.mark.parametrize(
    ("licences", "joint"),
    [
        (["CC0"], "CC0"), (["CC0", "CC BY"], "CC BY and CC0"), (["CC0", SAYCAM], SAYCAM), ([], "unknown"),
        (["CC0", "unknown"], "unknown"),
        ([SAYCAM, "unknown", BABYVIEW], f"{BABYVIEW} and {SAYCAM} and unknown"),
    ],
)  # fmt: skip
def test_things_of_several_sources_are_under_all_their_licences(licences, joint):
    assert joint_licence(licences) == joint


FILES = {
    "S_20140320_1703_04": (SAYCAM, "S", 17.1),
    "S00220001_2024-03-19_1_rec5Xau": (BABYVIEW, "S00220001", None),
    "00220001_GX010001_08.31.2022": (BABYVIEW, "S00220001", None),
    "0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f": ("restricted: Ego4D", "unknown", None),
    "visit one": ("unknown", "unknown", None),
    "declared": ("CC0", "unknown", None),
}


@pytest.fixture(scope="module")
def mixed(make_video, tmp_path_factory):
    """One video of each provider and two of nobody's: no layout has a majority."""
    folder = tmp_path_factory.mktemp("mixed")
    first = make_video(folder / "declared.mp4", seconds=1)
    for name in FILES.keys() - {"declared"}:
        (folder / f"{name}.mp4").write_bytes(first.read_bytes())
    (folder / "recordings.csv").write_text("recording,licence\ndeclared,CC0\n")
    return {recording.id: recording for recording in open_corpus(folder).recordings}


@pytest.mark.case("identity")
@pytest.mark.parametrize("name", FILES)
def test_licence_child_and_age_are_each_files_own(mixed, name):
    recording = mixed[name]
    assert (recording.licence, recording.child, recording.age_months) == FILES[name]


@pytest.mark.case("identity")
@pytest.mark.parametrize(
    ("stem", "licence"),
    [
        ("A_20130531_0818_01_76680_77720_frame_1", SAYCAM), ("S_20140320_1703_04", SAYCAM), ("IMG_2041", None),
        ("S00220001_2024-03-19_1_rec5Xau_354743_372111_frame_1", BABYVIEW), ("frame_1", None), ("2024-03-19", None),
    ],
)  # fmt: skip
def test_a_picture_named_as_a_providers_frame_has_its_licence(stem, licence):
    assert licence_of_picture(stem) == licence


def test_a_name_that_is_nearly_a_providers_tells_nothing():
    assert read_name("S_20149920_1703_04", "saycam") is None  # no such date


def items(*licences):
    turn = ItemTurn(prompt="How many?", images=("a.jpg",), options=("1", "2"), gold="1", origins=(Origin(source="v1"),))
    return [
        Item(id=str(n), task="object_counting", split="test", turns=(turn,), chance=0.5, licence=licence)
        for n, licence in enumerate(licences)
    ]


@pytest.mark.case("identity")
def test_a_refusal_says_what_how_many_and_how_to_declare():
    with pytest.raises(ConfigError) as refused:
        refuse_restricted(items("unknown", "CC0", SAYCAM), "gpt-5 sends them out")
    for said in ("2 of 3 items", "SAYCam (Databrary): 1 items from 1 sources, v1", "unknown: 1 items", "gpt-5 sends",
                 "column licence of recordings.csv", "--licence", "--i-may-share restricted"):  # fmt: skip
        assert said in str(refused.value)
    with pytest.raises(ConfigError) as refused:
        refuse_licences({SAYCAM: 4}, "records", "--host 0.0.0.0 lets others in")
    assert "declare" not in str(refused.value), "it is declared already"


@pytest.mark.case("identity")
def test_ones_own_photographs_and_open_licences_leave():
    refuse_restricted(items("CC0", OWN_PHOTOGRAPHS), "gpt-5 sends them out")
