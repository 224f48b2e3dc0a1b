"""Inputs made ahead are those of their steps, and figures read late are those of theirs."""

import threading

import pytest
import torch

from babyvlm.training.ahead import Ahead, gathered
from babyvlm.training.figures import LateFigures

CPU = torch.device("cpu")


def test_inputs_are_made_in_order_before_they_are_asked_for():
    made, third = [], threading.Event()

    def make(step):
        made.append(step)
        if step == 5:
            third.set()
        return step * 10

    with Ahead(make, range(3, 8), CPU) as ahead:
        assert ahead.take(3) == 30
        assert third.wait(10), "the third is made though only the first was taken"
        assert [ahead.take(step) for step in range(4, 8)] == [40, 50, 60, 70]
    assert made == [3, 4, 5, 6, 7]


def test_waiting_is_counted_once():
    begun = threading.Event()

    def make(step):
        begun.wait(10)
        return step

    with Ahead(make, range(1), CPU) as ahead:
        threading.Timer(0.05, begun.set).start()
        ahead.take(0)
        assert ahead.wait_s() > 0 and ahead.wait_s() == 0


def test_an_error_comes_with_its_step_and_ends_the_thread():
    def make(step):
        if step == 1:
            raise ValueError("no picture 7")
        return step

    before = threading.active_count()
    with pytest.raises(ValueError, match="no picture 7"), Ahead(make, range(5), CPU) as ahead:
        assert ahead.take(0) == 0
        ahead.take(1)
    assert threading.active_count() == before


def test_rows_are_gathered():
    table = torch.randint(0, 256, (5, 2, 3), dtype=torch.uint8)
    assert torch.equal(gathered([table], torch.tensor([4, 0, 4]), CPU), table[[4, 0, 4]])
    behind = torch.randint(0, 256, (3, 2, 3), dtype=torch.uint8)
    rows = torch.tensor([6, 4, 5, 0, 7, 7])
    assert torch.equal(gathered([table, behind], rows, CPU), torch.cat([table, behind])[rows])
    for row in (8, -1):
        with pytest.raises(IndexError):
            gathered([table, behind], torch.tensor([3, row]), CPU)


def test_figures_come_as_late_as_asked():
    now, late = LateFigures[str](CPU), LateFigures[str](CPU, behind=1)
    for step in (1, 2, 3):
        (here,) = now.put(step, torch.tensor([step, 0.5]), f"note {step}")
        assert (here.step, here.values, here.note) == (step, [step, 0.5], f"note {step}")
        assert [each.step for each in late.put(step, torch.tensor([1.0]), "")] == ([step - 1] if step > 1 else [])
    assert [each.step for each in late.rest()] == [3] and late.rest() == []
