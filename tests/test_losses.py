"""The ledger: what holds, what is refused, and what result.json gets."""

from __future__ import annotations

import json

import pytest

from kadanoff.estimates import Estimate
from kadanoff.losses import BrokenTheorem, Ledger, Loss

exact = Estimate.exact


def sampled(value, error, unit=""):
    return Estimate(value, error, 100, unit, "blocks")


@pytest.mark.parametrize(
    ("theorem", "fine", "coarse", "holds"),
    [
        ("coarse <= fine", exact(1.0), exact(0.5), True),
        ("coarse <= fine", exact(1.0), exact(1.0 + 1e-12), True),
        ("coarse <= fine", exact(1.0), exact(1.0 + 1e-6), False),
        ("coarse <= fine", exact(0.0), exact(1e-15), True),
        ("coarse >= fine", exact(1.0), exact(0.5), False),
        ("coarse >= fine", exact(-1e9), exact(-1e9 - 1e-3), True),
        ("coarse == fine", exact(2.0), exact(2.0 - 1e-12), True),
        ("coarse == fine", exact(2.0), exact(1.9), False),
        # combined error sqrt(0.3^2 + 0.4^2) = 0.5: four of them are 2
        ("coarse <= fine", sampled(1.0, 0.3), sampled(2.99, 0.4), True),
        ("coarse <= fine", sampled(1.0, 0.3), sampled(3.01, 0.4), False),
        ("coarse == fine", sampled(1.0, 0.3), sampled(-1.01, 0.4), False),
        ("coarse >= fine", exact(1.0), sampled(0.61, 0.1), True),
        ("coarse >= fine", exact(1.0), sampled(0.59, 0.1), False),
        (None, exact(1.0), exact(5.0), None),
    ],
)
def test_theorems_hold_within_four_combined_errors(theorem, fine, coarse, holds):
    loss = Loss("x", fine, coarse, exact(fine.value - coarse.value), theorem=theorem)
    assert loss.holds is holds
    ledger = Ledger([loss])
    if holds is False:
        with pytest.raises(BrokenTheorem):
            ledger.verify()
    else:
        ledger.verify()


@pytest.mark.parametrize(
    ("lost", "holds"),
    [
        (exact(0.0), True),
        (exact(-1e-14), True),
        (exact(-1e-3), False),
        (sampled(-0.39, 0.1), True),
        (sampled(-0.41, 0.1), False),
    ],
)
def test_a_loss_is_not_negative(lost, holds):
    assert Loss("x", None, None, lost, theorem="lost >= 0").holds is holds


def test_a_broken_theorem_is_named_with_its_numbers():
    ledger = Ledger([Loss("fine one", exact(1.0), exact(0.0), exact(1.0), theorem="coarse <= fine")])
    ledger.add(
        Loss(
            "entropy production", sampled(1.0, 0.1, "nat"), sampled(3.0, 0.1, "nat"), sampled(-2.0, 0.14, "nat"),
            theorem="coarse <= fine", theorem_text="apparent <= total", conditions="the lumped process is stationary",
        )
    )  # fmt: skip
    with pytest.raises(BrokenTheorem) as broken:
        ledger.verify()
    message = str(broken.value)
    for part in (
        "entropy production", "fine 1 +- 0.1", "coarse 3 +- 0.1", "lost -2 +- 0.14", "[nat]", "coarse <= fine",
        "apparent <= total", "if the lumped process is stationary", "by 2, 14.1 combined standard errors",
    ):  # fmt: skip
        assert part in message
    assert "fine one" not in message
    assert isinstance(broken.value, ValueError)
    with pytest.raises(BrokenTheorem, match="though the numbers are exact"):
        Ledger([Loss("x", exact(1.0), exact(2.0), exact(-1.0), theorem="coarse <= fine")]).verify()


def test_rows_are_those_of_result_json():
    ledger = Ledger().add(Loss("a", exact(2.0, "nat"), exact(1.5, "nat"), exact(0.5, "nat"), theorem="coarse <= fine"))
    ledger.add(Loss("b", None, None, sampled(0.25, 0.01), theorem_text="unused"))
    ledger.add(Loss("c", sampled(3.0, 0.4, "nat"), sampled(1.0, 0.3, "nat"), sampled(2.0, 0.5, "nat")))
    rows = json.loads(json.dumps(ledger.rows(), allow_nan=False))
    assert rows == [
        {
            "name": "a", "fine": 2.0, "coarse": 1.5, "lost": 0.5, "error": None, "unit": "nat",
            "theorem": "coarse <= fine", "holds": True, "fine_error": None, "coarse_error": None,
        },
        {
            "name": "b", "fine": None, "coarse": None, "lost": 0.25, "error": 0.01, "unit": "",
            "theorem": None, "holds": None, "fine_error": None, "coarse_error": None,
        },
        {
            "name": "c", "fine": 3.0, "coarse": 1.0, "lost": 2.0, "error": 0.5, "unit": "nat",
            "theorem": None, "holds": None, "fine_error": 0.4, "coarse_error": 0.3,
        },
    ]  # fmt: skip
    assert [loss.name for loss in ledger] == ["a", "b", "c"]
    assert len(ledger) == 3
    assert "a" in ledger
    assert ledger["b"].lost.error == 0.01


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Loss(" ", None, None, exact(0.0)), "needs a name"),
        (lambda: Loss("x", None, exact(1.0), exact(0.0), theorem="coarse <= fine"), "needs a fine and a coarse value"),
        (lambda: Loss("x", exact(1.0), exact(1.0), exact(0.0), theorem="coarse < fine"), "is none of"),
        (lambda: Loss("x", exact(1.0, "nm"), exact(1.0, "K"), exact(0.0)), "fine side is in nm, the coarse side in K"),
        (lambda: Loss("x", None, None, exact(0.0, "nm"), "K"), "is in K, but what was lost in nm"),
        (lambda: Ledger([Loss("x", None, None, exact(0.0))] * 2), "already holds a loss named 'x'"),
    ],
)
def test_refusals_name_the_trouble(make, says):
    with pytest.raises(ValueError, match=says):
        make()
