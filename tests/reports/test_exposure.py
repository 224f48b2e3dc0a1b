"""Words are told apart by how they were met, and a run's word items are counted by it."""

from __future__ import annotations

from babyvlm.reports.exposure import WordsMet, by_exposure
from babyvlm.reports.results import read_results

MET = WordsMet(heard=frozenset({"thing", "1", "3", "teddy", "bears", "cup"}), taught=frozenset({"thing 0", "thing 2"}))


def test_a_word_is_taught_or_heard_or_neither() -> None:
    assert MET.exposure("thing 0") == "taught"
    assert MET.exposure("thing 1") == "heard only"
    assert MET.exposure("teddy bear") == "heard only"  # the plural of its last word was heard
    assert MET.exposure("cups") == "never met"  # a plural is not told apart into its singular
    assert MET.exposure("thing 4") == "never met" and MET.exposure("") == "never met"


def test_items_are_counted_once_each(runs) -> None:
    results = read_results([runs["model"]])
    rows = by_exposure(results.main, MET)
    for task in ("looking_while_listening", "picture_vocabulary"):
        own = {row.exposure: row for row in rows if row.task == task}
        judged = [item for item in results.main.items if item.task == task and results.main.judged[item.id].metrics]
        assert sum(row.items for row in own.values()) == len(judged)
        for way, row in own.items():
            of_way = [item for item in judged if MET.exposure(item.category) == way]
            right = [results.main.judged[item.id].turns[0].outcome == "right" for item in of_way]
            assert (row.items, row.right, row.words) == (len(of_way), sum(right), len(of_way))
            low, high = row.interval
            assert low <= row.value <= high
    assert {row.task for row in rows} == {"looking_while_listening", "picture_vocabulary"}
