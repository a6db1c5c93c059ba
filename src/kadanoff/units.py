"""Units in text: ``convert("9 angstrom", "nm")`` is 0.9, and a time where a length is needed is an error.

A unit is a product of named units with integer powers: ``kJ/mol/nm``, ``g/cm^3``, ``ps^-1``, ``1/ps``. The mole is the
number 6.02214076e23, so that kJ/mol, kcal/mol and eV are all energies per particle. Factors are exact fractions of the
SI (CODATA 2018), and one rounding happens at the end.
"""

from __future__ import annotations

import difflib
import math
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema

__all__ = [
    "Charge",
    "Density",
    "Energy",
    "Force",
    "Length",
    "Mass",
    "Pressure",
    "Quantity",
    "Temperature",
    "Time",
    "convert",
    "dimension",
]

_Dimension = tuple[int, int, int, int, int]  # powers of length, mass, time, temperature, charge

_DIMENSIONS: dict[str, _Dimension] = {
    "pure number": (0, 0, 0, 0, 0),
    "length": (1, 0, 0, 0, 0),
    "mass": (0, 1, 0, 0, 0),
    "time": (0, 0, 1, 0, 0),
    "temperature": (0, 0, 0, 1, 0),
    "charge": (0, 0, 0, 0, 1),
    "area": (2, 0, 0, 0, 0),
    "volume": (3, 0, 0, 0, 0),
    "energy": (2, 1, -2, 0, 0),
    "force": (1, 1, -2, 0, 0),
    "pressure": (-1, 1, -2, 0, 0),
    "density": (-3, 1, 0, 0, 0),
    "number density": (-3, 0, 0, 0, 0),
    "rate": (0, 0, -1, 0, 0),
    "velocity": (1, 0, -1, 0, 0),
    "diffusion coefficient": (2, 0, -1, 0, 0),
}


_MOLE, _AMU, _CHARGE = "6.02214076e23", "1.66053906660e-27", "1.602176634e-19"
_SIZES: dict[str, dict[str, str]] = {  # in the SI; exact by definition, or CODATA 2018 (amu, bohr, hartree)
    "pure number": {"1": "1", "mol": _MOLE, "rad": "1", "deg": repr(math.pi / 180), "%": "0.01"},
    "length": {"m": "1", "cm": "1e-2", "mm": "1e-3", "um": "1e-6", "µm": "1e-6", "nm": "1e-9", "pm": "1e-12"}
    | dict.fromkeys(("angstrom", "Angstrom", "Å", "A"), "1e-10")
    | {"bohr": "5.29177210903e-11"},
    "mass": {"kg": "1", "g": "1e-3", "kDa": "1.66053906660e-24"} | dict.fromkeys(("amu", "u", "Da"), _AMU),
    "time": {"s": "1", "ms": "1e-3", "us": "1e-6", "µs": "1e-6", "ns": "1e-9", "ps": "1e-12", "fs": "1e-15"}
    | {"min": "60", "h": "3600"},
    "temperature": {"K": "1"},
    "charge": {"C": "1", "e": _CHARGE},
    "energy": {"J": "1", "kJ": "1e3", "cal": "4.184", "kcal": "4184", "eV": _CHARGE, "meV": "1.602176634e-22"}
    | dict.fromkeys(("hartree", "Hartree"), "4.3597447222071e-18"),
    "force": {"N": "1", "nN": "1e-9", "pN": "1e-12"},
    "pressure": {"Pa": "1", "kPa": "1e3", "MPa": "1e6", "GPa": "1e9", "bar": "1e5", "kbar": "1e8", "atm": "101325"},
    "volume": {"L": "1e-3", "l": "1e-3", "mL": "1e-6"},
    "rate": {"Hz": "1", "THz": "1e12"},
}
_UNITS = {unit: (Fraction(size), _DIMENSIONS[name]) for name, sizes in _SIZES.items() for unit, size in sizes.items()}
_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?=[\s/]|[^\W\d_]|[µÅ°%]|$)\s*(.*?)\s*", re.DOTALL)
_FACTOR = re.compile(r"\s*([^\W\d_]+|1|%)\s*(?:(?:\^|\*\*)?\s*([+-]?\d+))?\s*", re.DOTALL)
_CELSIUS = ("°C", "celsius", "degC")


def _parse(unit: str) -> tuple[Fraction, _Dimension]:
    factor, powers, sign, position = Fraction(1), [0] * 5, 1, 0
    text = unit.strip()
    if text.startswith("/"):
        text = "1" + text
    while True:
        match = _FACTOR.match(text, position)
        if match is None or not match.group(1):
            raise ValueError(f"unit {unit!r} cannot be read; write it like kJ/mol/nm, g/cm^3 or ps^-1")
        name, power = match.group(1), sign * int(match.group(2) or 1)
        if name not in _UNITS:
            near = difflib.get_close_matches(name, [known for known in _UNITS if known.isalpha()], n=1, cutoff=0.5)
            raise ValueError(
                f"unknown unit {name!r}"
                + (f" in {unit!r}" if name != unit else "")
                + (f"; did you mean {near[0]!r}?" if near else "")
            )
        if abs(power) > 9:
            raise ValueError(f"unit {unit!r}: a power of {power} is no unit of anything here")
        size, dimensions = _UNITS[name]
        factor *= size**power
        powers = [have + power * more for have, more in zip(powers, dimensions, strict=True)]
        position = match.end()
        if position == len(text):
            return factor, (powers[0], powers[1], powers[2], powers[3], powers[4])
        if text[position] in "/*·":
            sign = -1 if text[position] == "/" else 1
            position += 1
        else:
            sign = 1  # a blank multiplies


def _name(powers: _Dimension) -> str:
    for name, known in _DIMENSIONS.items():
        if known == powers:
            return name
    bases = ("length", "mass", "time", "temperature", "charge")
    return " ".join(
        base + (f"^{power}" if power != 1 else "") for base, power in zip(bases, powers, strict=True) if power
    )


def _a(name: str) -> str:
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def dimension(unit: str) -> str:
    """What a unit measures: ``dimension("kcal/mol") == "energy"``. Raises ValueError for an unknown unit."""
    return _name(_parse(unit)[1])


def convert(value: str | float, unit: str) -> float:
    """A number in ``unit``: from text with a unit (``"9 angstrom"``), or a plain number, which is in ``unit`` already.

    x_to = x_from * f_from / f_to with SI factors f; "25 °C" is 298.15 K. Raises ValueError where the text is no number
    with a unit, where a unit is unknown and where the dimensions differ (both are named), and for what is not finite.
    """
    factor, powers = _parse(unit)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f'{value!r} is not a number; give a number in {unit} or text with a unit, such as "1 {unit}"')
    if not isinstance(value, str):
        if not math.isfinite(value):
            raise ValueError(f"{value} is not a finite number")
        return float(value)
    match = _NUMBER.fullmatch(value)
    if match is None:
        raise ValueError(f'{value!r} is not a number with a unit; write it like "1.5 {unit}"')
    number, given = Fraction(match.group(1)), match.group(2)
    if not given and any(powers):
        raise ValueError(
            f'{value!r} has no unit; write "{value.strip()} {unit}", or the bare number if it is in {unit} already'
        )
    if given in _CELSIUS:
        number, given = number + Fraction("273.15"), "K"
    other, have = _parse(given or "1")
    if have != powers:
        hint = f'; C is the coulomb: write "{match.group(1)} °C", or give kelvin' if (given, unit) == ("C", "K") else ""
        raise ValueError(f"{value!r} is {_a(_name(have))}, but {_a(_name(powers))} in {unit} is needed{hint}")
    return float(number * other / factor)


@dataclass(frozen=True)
class Quantity:
    """Marks a number of a pydantic model as a quantity: ``cutoff: Annotated[float, Quantity("nm")]``.

    The field then takes a number in that unit or text with any unit of the same dimension, and holds a float in that
    unit.
    """

    unit: str

    def __post_init__(self) -> None:
        _parse(self.unit)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        from pydantic_core import core_schema

        return core_schema.no_info_before_validator_function(lambda value: convert(value, self.unit), handler(source))


# The units of molecules, for configuration models.
Length = Annotated[float, Quantity("nm")]
Time = Annotated[float, Quantity("ps")]
Energy = Annotated[float, Quantity("kJ/mol")]
Temperature = Annotated[float, Quantity("K")]
Pressure = Annotated[float, Quantity("bar")]
Mass = Annotated[float, Quantity("amu")]
Charge = Annotated[float, Quantity("e")]
Density = Annotated[float, Quantity("g/cm^3")]
Force = Annotated[float, Quantity("kJ/mol/nm")]
