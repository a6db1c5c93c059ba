"""Units: conversions against exact definitions, round trips, and errors that name what was wrong."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, ValidationError

from kadanoff.units import Length, Pressure, Temperature, convert, dimension

# (text, unit, value), from the definitions of the units
EXACT = [
    ("9 angstrom", "nm", 0.9),
    ("9 Å", "nm", 0.9),
    ("9A", "nm", 0.9),
    ("900 pm", "nm", 0.9),
    ("1 bohr", "angstrom", 0.529177210903),
    ("2 fs", "ps", 0.002),
    ("1 ns", "ps", 1000.0),
    ("1 kcal/mol", "kJ/mol", 4.184),
    ("1 eV", "kJ/mol", 96.48533212331),
    ("1 kJ/mol", "eV", 1 / 96.48533212331),
    ("1 hartree", "eV", 27.211386245988),
    ("25 °C", "K", 298.15),
    ("-273.15 celsius", "K", 0.0),
    ("1 atm", "bar", 1.01325),
    ("1 kJ/mol/nm^3", "bar", 16.605390671738),
    ("0.1 MPa", "bar", 1.0),
    ("18 g/mol", "amu", 18.0),
    ("1 g/cm^3", "amu/nm^3", 602.21407620753),
    ("1 g/cm3", "kg/m^3", 1000.0),
    ("1 e", "C", 1.602176634e-19),
    ("1 kcal/mol/angstrom", "kJ/mol/nm", 41.84),
    ("1 eV/Å", "kJ/mol/nm", 964.8533212331),
    ("0.5 ps^-1", "1/ps", 0.5),
    ("0.5 1/ps", "1/ns", 500.0),
    ("0.5 /ps", "THz", 0.5),
    ("180 deg", "rad", math.pi),
    ("5e-5 cm^2/s", "nm^2/ps", 0.005),
    ("1e-3 nm", "pm", 1.0),
    ("50 %", "1", 0.5),
    ("1 amu nm^2/ps^2", "kJ/mol", 1.0),
]


@pytest.mark.parametrize(("text", "unit", "value"), EXACT)
def test_exact_values(text, unit, value):
    assert convert(text, unit) == pytest.approx(value, rel=1e-9, abs=1e-12)


def test_short_decimals_come_out_as_written():
    assert convert("9 angstrom", "nm") == 0.9
    assert convert("2 fs", "ps") == 0.002
    assert convert("25 °C", "K") == 298.15


def test_plain_numbers_are_in_the_unit_already():
    assert convert(0.9, "nm") == 0.9
    assert convert(1, "nm") == 1.0
    assert convert("3", "1") == 3.0


GROUPS = [
    ["nm", "angstrom", "pm", "bohr", "um", "m"],
    ["ps", "fs", "ns", "us", "s"],
    ["kJ/mol", "kcal/mol", "eV", "meV", "hartree", "J"],
    ["bar", "Pa", "atm", "GPa", "kJ/mol/nm^3"],
    ["amu", "g", "kg", "g/mol", "kDa"],
    ["g/cm^3", "amu/nm^3", "kg/m^3"],
    ["e", "C"],
    ["kJ/mol/nm", "kcal/mol/angstrom", "eV/angstrom", "pN"],
]


@given(
    st.sampled_from(GROUPS).flatmap(lambda group: st.tuples(st.sampled_from(group), st.sampled_from(group))),
    st.floats(-1e12, 1e12, allow_nan=False).filter(lambda x: x == 0 or abs(x) > 1e-12),
)
def test_there_and_back(units, value):
    there = convert(f"{value!r} {units[0]}", units[1])
    assert convert(f"{there!r} {units[1]}", units[0]) == pytest.approx(value, rel=1e-14)


@pytest.mark.parametrize(
    ("text", "unit", "words"),
    [
        ("9 ps", "nm", ["time", "length", "nm", "9 ps"]),
        ("9 kJ/mol", "kJ/mol/nm", ["is an energy, but a force in"]),
        ("9 kJ/mol/nm", "kJ/mol", ["is a force, but an energy in"]),
        ("25 C", "K", ["is a charge, but a temperature in K", "C is the coulomb", 'write "25 °C"', "kelvin"]),
        ("1 g/cm^3", "1/nm^3", ["density", "number density"]),
        ("9 angstroem", "nm", ["angstroem", "did you mean 'angstrom'"]),
        ("9 nm/", "nm", ["cannot be read"]),
        ("nine nm", "nm", ["not a number with a unit"]),
        ("9", "nm", ["no unit", "9 nm"]),
        ("", "nm", ["not a number"]),
        (float("nan"), "nm", ["not a finite"]),
        (True, "nm", ["not a number"]),
        ([1], "nm", ["not a number"]),
        ("1 nm^30", "nm", ["power"]),
    ],
)
def test_errors_name_the_trouble(text, unit, words):
    with pytest.raises(ValueError, match=r".") as error:
        convert(text, unit)
    assert all(word in str(error.value) for word in words)


def test_dimension_is_named():
    assert dimension("kcal/mol") == "energy"
    assert dimension("bar") == "pressure"
    assert dimension("kg m/s") == "length mass time^-1"


class _Model(BaseModel):
    cutoff: Length = Field(gt=0)
    pressure: Pressure = 1.0
    temperature: Temperature | None = None


def test_in_a_model():
    model = _Model(cutoff="9 angstrom", pressure="1 atm", temperature="25 °C")
    assert (model.cutoff, model.pressure, model.temperature) == (0.9, 1.01325, 298.15)
    assert _Model(cutoff=1).temperature is None
    with pytest.raises(ValidationError, match="time"):
        _Model(cutoff="9 ps")
    with pytest.raises(ValidationError, match="greater than 0"):
        _Model(cutoff="-9 angstrom")
