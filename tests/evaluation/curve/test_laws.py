"""Fits of laws: exact laws, bounds, and curves that do not fall."""

import pytest

from label_studio_ml.evaluation.curve.laws import Family, Law, fit_law

SIZES = (20, 40, 80, 160, 320)


@pytest.mark.parametrize(
    "law",
    [
        Law(Family.POWER, 0.1, 2.0, 0.5),
        Law(Family.POWER, 0.0, 1.0, 0.3),
        Law(Family.POWER, 0.02, 5.0, 1.0),
        Law(Family.LOGARITHMIC, 0.6, 0.08, 0.0),
    ],
)
def test_an_exact_law_is_found(law: Law) -> None:
    found = fit_law(law.family, [(size, law.error(size)) for size in SIZES])
    assert found.rate == pytest.approx(law.rate)
    assert found.error(1000) == pytest.approx(law.error(1000), abs=1e-6)
    assert found.distance == pytest.approx(0.0, abs=1e-9)


def test_an_exponential_law_is_found_about() -> None:
    law = Law(Family.EXPONENTIAL, 0.05, 0.4, 1 / 150)
    found = fit_law(law.family, [(size, law.error(size)) for size in SIZES])
    assert found.error(500) == pytest.approx(law.error(500), abs=0.005)


@pytest.mark.parametrize("family", Family)
def test_errors_that_rise_give_a_flat_law(family: Family) -> None:
    found = fit_law(family, [(size, size / 1000) for size in SIZES])
    assert found.scale == 0.0
    assert found.error(10) == found.error(10_000)


@pytest.mark.parametrize("family", Family)
def test_no_error_is_below_zero(family: Family) -> None:
    found = fit_law(family, [(size, max(0.5 - size / 600, 0.001)) for size in SIZES])
    assert found.error(1_000_000) >= 0
    assert found.floor >= 0 or family is Family.LOGARITHMIC


@pytest.mark.parametrize("family", Family)
def test_no_error_at_all(family: Family) -> None:
    assert fit_law(family, [(size, 0.0) for size in SIZES]).error(500) == 0.0
