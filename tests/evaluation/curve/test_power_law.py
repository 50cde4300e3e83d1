"""Fits of the inverse power law: exact laws, bounds, and curves that do not fall."""

import pytest

from label_studio_ml.evaluation.curve.power_law import PowerLaw, fit_power_law

SIZES = (20, 40, 80, 160, 320)


@pytest.mark.parametrize("law", [PowerLaw(0.1, 2.0, 0.5), PowerLaw(0.0, 1.0, 0.3), PowerLaw(0.02, 5.0, 1.0)])
def test_an_exact_law_is_found(law: PowerLaw) -> None:
    found = fit_power_law([(size, law.error(size)) for size in SIZES])
    assert found.exponent == pytest.approx(law.exponent)
    assert found.error(1000) == pytest.approx(law.error(1000), abs=1e-6)


def test_errors_that_rise_give_a_flat_law() -> None:
    found = fit_power_law([(size, size / 1000) for size in SIZES])
    assert found.scale == 0.0
    assert found.error(10) == found.error(10_000)


def test_the_floor_is_not_below_zero() -> None:
    found = fit_power_law([(size, max(0.5 - size / 600, 0.001)) for size in SIZES])
    assert found.floor >= 0
    assert found.error(1_000_000) >= 0


def test_no_error_at_all() -> None:
    assert fit_power_law([(size, 0.0) for size in SIZES]).error(500) == 0.0
