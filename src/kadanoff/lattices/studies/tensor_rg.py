"""Tensor renormalization of the Ising and Potts models, held against what is known exactly."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import xarray
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator

from kadanoff.estimates import Estimate
from kadanoff.lattices.conformal_data import Plateau, TensorFixedPoint, dimension_plateau, fixed_point
from kadanoff.lattices.exact_free_energies import potts_critical_coupling, potts_critical_log_partition
from kadanoff.lattices.kaufman import CRITICAL_COUPLING, infinite_log_partition
from kadanoff.lattices.linearised_rg import LinearisedFlow, linearised_flow
from kadanoff.lattices.studies import tensor_rg_pictures as pictures
from kadanoff.lattices.tensor_rg import Scheme, TensorFlow, renormalise
from kadanoff.lattices.tensors import ising_plaquette_tensor, ising_tensor, potts_tensor
from kadanoff.losses import Ledger, Loss
from kadanoff.study import Reported, Result, Run, Verdict, judge

__all__ = ["TensorRg", "tensor_rg"]

Array = NDArray[np.float64]
OFF_CRITICAL = (2.2, 2.35)  # temperatures either side of 2.2692, where a plateau would be wrong
_LOOP_STEPS = 20
_LOOP_TOLERANCE = 0.01  # its dimensions neither drift nor stand still to better than the sweeps of its optimisation
_LINEARISED = (4, 7)  # first step made linear, and the first no more: before, the tensor is far from a fixed point
_GATES = ((32, 1.5e-8), (24, 6e-8))  # relative error of the free energy asked of BTRG from this chi on


class TensorRg(BaseModel):
    """Settings of lattices.tensor-rg."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    chi: int = Field(32, ge=4, le=64, description="States kept of a bond in the main run (BTRG).")
    ladder: list[int] = Field([8, 12, 16, 24], description="Other numbers of states, for the error against chi.")
    hotrg: list[int] = Field([4, 6, 8, 12, 16], description="Numbers of states of HOTRG.")
    loop: list[int] = Field([4, 6, 8], description="Numbers of states of loop-TNR.")
    loop_chi: int = Field(12, ge=6, le=24, description="States kept where dimensions are read off loop-TNR.")
    linear_chi: int = Field(12, ge=6, le=20, description="States kept in linearised renormalization.")
    steps: int = Field(30, ge=12, le=60, description="Steps, each of which doubles the spins of a tensor.")
    temperatures: list[float] = Field([1.8, 3.0], description="Temperatures J/K of further checks, off the critical.")
    scan_chi: int = Field(16, ge=4, le=64, description="States kept in the scan of temperatures.")
    potts_chi: int = Field(30, ge=0, le=64, description="States kept for the q = 3 Potts model; 0: leave it out.")

    @field_validator("ladder", "hotrg", "loop")
    @classmethod
    def _enough_states(cls, ladder: list[int]) -> list[int]:
        if any(not 4 <= chi <= 64 for chi in ladder):
            raise ValueError(f"numbers of states lie between 4 and 64 here, not {ladder}")
        return sorted(set(ladder))

    @field_validator("temperatures")
    @classmethod
    def _positive(cls, temperatures: list[float]) -> list[float]:
        if any(not 0.1 <= t <= 100 for t in temperatures):
            raise ValueError(f"temperatures in units of J lie between 0.1 and 100 here, not {temperatures}")
        return temperatures


@dataclass(frozen=True, eq=False)
class Found:
    """All that was computed."""

    config: TensorRg
    main: TensorFlow
    coarser: TensorFlow | None
    plateau: Plateau | None
    loop: tuple[TensorFlow, Plateau | None]
    linear: LinearisedFlow
    ladder: dict[str, tuple[Array, Array]]
    checks: dict[float, tuple[float, float]]
    scan: Array
    off: dict[float, tuple[TensorFlow, TensorFixedPoint]]
    dual: tuple[Estimate, Estimate]
    potts: tuple[TensorFlow, TensorFlow, Plateau | None] | None


def tensor_rg(config: TensorRg, run: Run) -> Result:
    """Ising on the square lattice by four schemes, and Potts: free energy, central charge, scaling dimensions."""
    found = _measure(config, run)
    estimates = _estimates(found)
    ledger = _ledger(found)
    text, sound = _in_words(found, estimates)
    verdict = judge(estimates, ledger, text)
    return Result(
        estimates,
        ledger,
        Verdict(verdict.passed is True and sound, text),
        _data(found),
        {
            "tower": pictures.tower(
                found.main, found.plateau, found.loop, {t: flow for t, (flow, _) in found.off.items()}
            ),
            "drift": pictures.drift(found.main, found.loop[0], found.linear, _LINEARISED[0]),
            "error": pictures.error(found.ladder),
            "temperatures": pictures.temperatures(found.scan, config.scan_chi),
        },
        cite=CITE,
    )


def ising_flow(
    coupling: float, chi: int, steps: int, scheme: Scheme, seed: int, plaquettes: bool = False
) -> TensorFlow:
    """A flow of the Ising model, spins on sites or on the corners of plaquettes."""
    tensor = ising_plaquette_tensor(coupling) if plaquettes else ising_tensor(coupling)
    return renormalise(tensor, chi, steps=steps, scheme=scheme, seed=seed)


def relative_error(coupling: float, flow: TensorFlow) -> float:
    """|ln Z / N over the exact one - 1|."""
    return abs(flow.log_partition / infinite_log_partition(coupling) - 1)


def errors_at_critical(scheme: Scheme, chis: tuple[int, ...], steps: int, seed: int) -> tuple[Array, Array]:
    """Number of states and relative error of the free energy at T_c, both (n,)."""
    flows = [ising_flow(CRITICAL_COUPLING, chi, steps, scheme, seed) for chi in chis]
    return np.array(chis, dtype=float), np.array([relative_error(CRITICAL_COUPLING, flow) for flow in flows])


def scan(temperatures: Array, chi: int, steps: int, seed: int) -> Array:
    """(n, 5) temperature, exact ln Z / N, relative errors of spins on sites and on plaquettes, and the latter's
    ln Z per tensor."""
    rows = []
    for t in temperatures:
        exact = infinite_log_partition(1 / t)
        site, corner = (ising_flow(1 / t, chi, steps, "btrg", seed, plaquettes) for plaquettes in (False, True))
        rows.append(
            (t, exact, relative_error(1 / t, site), relative_error(1 / t, corner), corner.log_partition * corner.spins)
        )
    return np.array(rows)


def sector_dimensions(flow: TensorFlow) -> Array:
    """(steps + 1, 2) the lowest odd dimension and the lowest even one above the identity."""
    return np.concatenate([flow.dimensions(1, parity=1), flow.dimensions(1, parity=0)], axis=1)


def _measure(config: TensorRg, run: Run) -> Found:
    seed, steps = run.seed, config.steps
    chis = tuple(sorted({*config.ladder, config.chi}))
    main = run.stage("main", ising_flow, CRITICAL_COUPLING, config.chi, steps, "btrg", seed)
    ladder = {
        scheme: run.stage(f"ladder-{scheme}", errors_at_critical, scheme, chis, steps, seed)
        for scheme in ("trg", "btrg")
    }
    # a step of HOTRG quadruples the spins
    for scheme, few, enough in (("hotrg", config.hotrg, (steps + 1) // 2), ("loop-tnr", config.loop, _LOOP_STEPS)):
        ladder[scheme] = run.stage(f"ladder-{scheme}", errors_at_critical, scheme, tuple(few), enough, seed)
    fewer = [chi for chi in config.ladder if chi < config.chi]
    coarser = run.stage("coarser", ising_flow, CRITICAL_COUPLING, fewer[-1], steps, "btrg", seed) if fewer else None
    loop = run.stage("loop", ising_flow, CRITICAL_COUPLING, config.loop_chi, _LOOP_STEPS, "loop-tnr", seed)
    linear = run.stage("linear", linear_flow, config.linear_chi)
    checks = {}
    for t in config.temperatures:
        site, corner = (
            run.stage(f"T-{t:g}-{p}", ising_flow, 1 / t, config.scan_chi, steps, "btrg", seed, p) for p in (False, True)
        )
        checks[t] = relative_error(1 / t, site), relative_error(1 / t, corner)
    points = np.unique(np.append(np.linspace(1.4, 3.6, 23), 1 / CRITICAL_COUPLING))
    scanned = run.stage("scan", scan, points, config.scan_chi, steps, seed)
    off = {}
    for t in OFF_CRITICAL:
        flow = run.stage(f"off-{t:g}", ising_flow, 1 / t, config.scan_chi, steps, "btrg", seed)
        off[t] = flow, fixed_point(flow)
    potts = None
    if config.potts_chi:
        flow = run.stage("potts", potts_flow, config.potts_chi, steps, seed)
        coarse_potts = run.stage("potts-coarser", potts_flow, max(4, 3 * config.potts_chi // 4), steps, seed)
        x = flow.dimensions(3)
        potts = flow, coarse_potts, dimension_plateau(x[:, :2], x[:, 2])
    y = loop.dimensions(3)
    return Found(
        config, main, coarser, dimension_plateau(sector_dimensions(main), main.dimensions(3)[:, 2]),
        (loop, dimension_plateau(y[:, :2], y[:, 2], tolerance=_LOOP_TOLERANCE)), linear, ladder, checks, scanned, off,
        run.stage("dual", dual_pair, config.scan_chi, steps, seed), potts,
    )  # fmt: skip


def linear_flow(chi: int) -> LinearisedFlow:
    """Ising at T_c."""
    first, end = _LINEARISED
    return linearised_flow(ising_tensor(CRITICAL_COUPLING), chi, steps=end, first=first, count=6)


def potts_flow(chi: int, steps: int, seed: int) -> TensorFlow:
    """The q = 3 Potts model at its critical point."""
    return renormalise(potts_tensor(3, potts_critical_coupling(3)), chi, steps=steps, seed=seed)


def dual_pair(chi: int, steps: int, seed: int) -> tuple[Estimate, Estimate]:
    """ln Z / N - (1/2) ln sinh 2K at K = 0.3 and at its dual, with the change from half of chi as the error."""
    pair = []
    for coupling in (0.3, -0.5 * math.log(math.tanh(0.3))):
        coarse, fine = (ising_flow(coupling, c, steps, "btrg", seed).log_partition for c in (chi // 2, chi))
        shift = 0.5 * math.log(math.sinh(2 * coupling))
        pair.append(Estimate(fine - shift, max(abs(fine - coarse), 1e-13), None, "nat", "change from half the states"))
    return pair[0], pair[1]


def _gate(chi: int) -> float | None:
    return next((gate for least, gate in _GATES if chi >= least), None)


def _estimates(found: Found) -> dict[str, Reported | Estimate]:
    config = found.config
    exact = f"Onsager (1944): ln Z / N = {infinite_log_partition(CRITICAL_COUPLING):.13f} at T_c"

    def error(value: float, gate: float | None, source: str) -> Reported:
        if gate is None:
            return Reported(Estimate.exact(value))
        return Reported(Estimate.exact(value), 0.0, tolerance=gate, source=f"{source}; at most {gate:g}")

    estimates: dict[str, Reported | Estimate] = {
        "free_energy_error": error(relative_error(CRITICAL_COUPLING, found.main), _gate(config.chi), exact)
    }
    for chi, value in zip(*found.ladder["btrg"], strict=True):
        if int(chi) != config.chi:
            estimates[f"free_energy_error.chi{chi:.0f}"] = error(float(value), _gate(int(chi)), exact)
    for t, (site, corner) in found.checks.items():
        estimates[f"free_energy_error.T{t:g}"] = error(site, 1e-7, f"Onsager (1944) at T = {t:g} J")
        estimates[f"free_energy_error.plaquettes.T{t:g}"] = error(corner, 1e-7, "the same, two spins a tensor")
    fields = (("1", 0, 1 / 8), ("2", 1, 1.0))
    estimates |= _conformal("", found.main, found.coarser, found.plateau, fields, 0.5, 0.01, 0.01)
    estimates |= _conformal("loop_tnr.", found.loop[0], None, found.loop[1], fields, 0.5, 0.01, 0.01)
    estimates |= _linearised(found.linear)
    for t, (_, point) in found.off.items():
        estimates[f"phases.T{t:g}"] = Reported(
            Estimate.exact(float(point.phases if point.plateau is None else 0)),
            2.0 if t * CRITICAL_COUPLING < 1 else 1.0,
            source="phases of the trivial fixed point: 2 below T_c, 1 above; 0 would be a plateau",
        )
    if found.potts is not None:
        flow, few, plateau = found.potts
        value = abs(flow.log_partition / potts_critical_log_partition(3) - 1)
        estimates["potts3.free_energy_error"] = error(value, 1e-5, "Baxter (1973)")
        fields = (("1", 0, 2 / 15), ("2", 1, 2 / 15))
        estimates |= _conformal("potts3.", flow, few, plateau, fields, 4 / 5, 0.02, 0.01)
        if plateau is not None:
            third = flow.dimensions(3)[plateau.first : plateau.last + 1, 2]
            estimates["potts3.scaling_dimension.3"] = Estimate(  # still on its way: no reference is held against it
                float(third.mean()), float(np.ptp(third)) / 2, None, "", "half the spread over the plateau"
            )
    return estimates


def _conformal(
    prefix: str,
    flow: TensorFlow,
    coarser: TensorFlow | None,
    plateau: Plateau | None,
    fields: tuple[tuple[str, int, float], ...],
    charge: float,
    share_charge: float,
    share: float,
) -> dict[str, Reported | Estimate]:
    """Central charge and dimensions, read on the plateau; without one there is no number, and the reason is given.

    The error is half the spread over the plateau, and what fewer states change over the same steps on top of it.
    """
    source = "conformal field theory (Belavin, Polyakov and Zamolodchikov, 1984; Dotsenko, 1984)"
    names = [
        ("central_charge", charge, share_charge),
        *((f"scaling_dimension.{name}", x, share) for name, _, x in fields),
    ]
    if plateau is None:
        reason = "no three steps over which the dimensions stand still"
        return {f"{prefix}{name}": Reported(None, x, source=source, reason=reason) for name, x, _ in names}
    window = slice(plateau.first, plateau.last + 1)
    charges = flow.central_charge[window]
    numbers = [(float(charges.mean()), float(np.ptp(charges)) / 2)]
    numbers += [(float(plateau.dimensions[i]), float(plateau.half_spread[i])) for _, i, _ in fields]
    method = f"half the spread over the steps {plateau.first} to {plateau.last}"
    few = None if coarser is None else coarser.dimensions(1 + max(i for _, i, _ in fields))[window].mean(axis=0)
    if coarser is not None and few is not None and np.all(np.isfinite(few)):
        means = [float(coarser.central_charge[window].mean()), *(float(few[i]) for _, i, _ in fields)]
        numbers = [(value, math.hypot(half, value - mean)) for (value, half), mean in zip(numbers, means, strict=True)]
        method += f", and the change from {coarser.chi} states"
    found: dict[str, Reported | Estimate] = {
        f"{prefix}{name}": Reported(
            Estimate(value, spread, None, "", method),
            x,
            tolerance=allowed * x,
            source=f"{source}, within {allowed:.0%}",
        )
        for (name, x, allowed), (value, spread) in zip(names, numbers, strict=True)
    }
    found[f"{prefix}plateau_steps"] = Estimate.exact(float(plateau.length))
    return found


def _linearised(flow: LinearisedFlow) -> dict[str, Reported | Estimate]:
    """The lowest dimensions over the steps made linear, those left out where the number of states changed."""
    first, end = _LINEARISED
    rows = flow.dimensions(3)[first:end]
    rows = rows[np.all(np.isfinite(rows), axis=1)]
    source = "conformal field theory; Lyu, Xu and Kawashima (2021) find 0.127, 1.009, 1.125 with 20 states"
    found: dict[str, Reported | Estimate] = {}
    for i, (x, allowed) in enumerate(((1 / 8, 0.03), (1.0, 0.02), (9 / 8, 0.03))):
        name = f"linearised.scaling_dimension.{i + 1}"
        if len(rows) < 2:
            reason = "the number of states changed at every step but one: no map of a tensor to one of its shape"
            found[name] = Reported(None, x, source=source, reason=reason)
            continue
        half = float(np.ptp(rows[:, i])) / 2
        value = Estimate(float(rows[:, i].mean()), half, None, "", f"half the spread over {len(rows)} steps")
        found[name] = Reported(value, x, tolerance=allowed * x, source=f"{source}, within {allowed:.0%}")
    return found


def _ledger(found: Found) -> Ledger:
    exact = Estimate.exact(infinite_log_partition(CRITICAL_COUPLING), "nat")
    coarse = Estimate.exact(found.main.log_partition, "nat")
    kept = Estimate.exact(float(np.prod(1 - found.main.discarded)))
    return Ledger(
        [
            Loss("ln Z per spin at T_c", exact, coarse, exact.minus(coarse)),
            Loss(
                "norm kept by the cuts",
                Estimate.exact(1.0),
                kept,
                Estimate.exact(1.0 - kept.value),
                theorem="coarse <= fine",
                conditions="each tensor is cut to its largest singular values",
                theorem_text="a projection makes no vector longer (Eckart and Young, 1936)",
            ),
            Loss(
                "ln Z / N - ln sinh(2K) / 2, K = 0.3 and its dual",
                *found.dual,
                found.dual[0].minus(found.dual[1]),
                theorem="coarse == fine",
                conditions="square lattice; the error is the change from half the states",
                theorem_text="sinh 2K sinh 2K' = 1 maps hot to cold (Kramers and Wannier, 1941)",
            ),
        ]
    )


def _in_words(found: Found, estimates: dict[str, Reported | Estimate]) -> tuple[str, bool]:
    """The verdict's text, and whether what has no single reference came out as it must."""
    config, plateau = found.config, found.plateau
    ratio = found.ladder["trg"][1] / found.ladder["btrg"][1]  # of the same numbers of states
    better = bool(ratio.min() > 1)
    if plateau is None:
        critical = f"With {config.chi} states no three steps at T_c agree on the dimensions: no plateau, no exponents. "
    else:
        reach = found.main.lengths[[plateau.first, plateau.last]]
        critical = (
            f"At T_c the lowest odd and even dimensions are {plateau.dimensions[0]:.4f} and "
            f"{plateau.dimensions[1]:.4f} (exact 1/8 and 1) over the steps {plateau.first} to {plateau.last}, "
            f"lengths {reach[0]:.0f} to {reach[1]:.0f}. "
        )
    named = "; ".join(f"at T = {t:g} J {point.text}" for t, (_, point) in found.off.items())
    trap = float(np.max(np.abs(found.scan[:, 4] / found.scan[:, 1] - 1)))
    text = (
        f"BTRG with {config.chi} states gives the free energy at T_c to "
        f"{relative_error(CRITICAL_COUPLING, found.main):.1e} of itself. {critical}"
        f"{_of_loops(found, estimates)}Off it, {named}. "
        f"At equal chi BTRG is {ratio.min():.1f} to {ratio.max():.0f} times closer than TRG"
        + ("" if better else ", so NOT closer everywhere")
        + f". The plaquette tensor stands for two spins; taken for one it would be off by {trap:.0%}.\n\n"
        "Limits. A cut to finite chi is a relevant perturbation in the end: every plateau stops, and dimensions higher "
        f"than the two lowest stop earlier. The last of the {len(found.main.tensors) - 1} steps at T_c are not at the "
        "critical point any more, which the free energy does not feel: what a step adds is divided by the spins of "
        "its tensors. The spread on a plateau is no bound of its distance from the exact value: a drift slower "
        "than the tolerance hides in it, and the change from fewer states is added where there was such a run. The "
        "linearised steps start from tensors that still change: their spread is no bound either." + _of_potts(found)
    )
    return text, better


def _of_loops(found: Found, estimates: dict[str, Reported | Estimate]) -> str:
    flow, plateau = found.loop
    if plateau is None:
        text = f"Loop-TNR with {flow.chi} states has no plateau. "
    else:
        reach = flow.lengths[[plateau.first, plateau.last]]
        text = (
            f"Loop-TNR with {flow.chi} states, its closed loops filtered out, holds {plateau.dimensions[0]:.4f} and "
            f"{plateau.dimensions[1]:.4f} from step {plateau.first} to {plateau.last}, lengths {reach[0]:.0f} to "
            f"{reach[1]:.0f}. "
        )
    known = [estimates[f"linearised.scaling_dimension.{i}"] for i in (1, 2, 3)]
    values = [one.value for one in known if isinstance(one, Reported) and one.value is not None]
    if len(values) == len(known):
        text += f"The step made linear has {', '.join(f'{x:.3f}' for x in values)} (exact 1/8, 1, 9/8). "
    return text


def _of_potts(found: Found) -> str:
    flow, _, plateau = found.potts or (None, None, None)
    if flow is None or plateau is None:
        return ""
    third = flow.dimensions(3)[plateau.first : plateau.last + 1, 2]
    return (
        f" A drift shows in the energy of the q = 3 Potts model: {third[0]:.3f} to {third[-1]:.3f} on its plateau, "
        "above the exact 4/5, with corrections that fall as L^-4/5."
    )


def _data(found: Found) -> xarray.Dataset:
    main, pure = found.main, {"units": "1"}
    variables: dict[str, object] = {
        "dimensions": (("step", "field"), main.dimensions(8), {"units": "1", "long_name": "scaling dimensions at T_c"}),
        "odd": (("step", "field"), main.parities[:, 1:9], {"units": "1", "long_name": "1 where odd under spin flip"}),
        "central_charge": (("step",), _padded(main.central_charge, len(main.tensors)), pure),
        "discarded": (
            ("step",),
            main.discarded,
            {"units": "1", "long_name": "largest share of a squared norm cut off"},
        ),
        "length": (("step",), main.lengths, {"units": "lattice spacings"}),
        "loop_dimensions": (("loop_step", "field"), found.loop[0].dimensions(8), pure),
        "loop_length": (("loop_step",), found.loop[0].lengths, {"units": "lattice spacings"}),
        "linear_dimensions": (("linear_step", "linear_field"), found.linear.dimensions(5), pure),
        "linear_change": (("linear_step",), found.linear.change, {"units": "1", "long_name": "|T' - T| / |T|"}),
        "step": (("step",), np.arange(len(main.tensors)), pure),
        "temperature": (("temperature",), found.scan[:, 0], {"units": "J/k_B"}),
        "log_partition": (("temperature",), found.scan[:, 1], {"units": "nat", "long_name": "exact ln Z per spin"}),
        "error_sites": (("temperature",), found.scan[:, 2], pure),
        "error_plaquettes": (("temperature",), found.scan[:, 3], pure),
    }
    for scheme, (chi, error) in found.ladder.items():
        axis = f"chi_{scheme.replace('-', '_')}"
        variables[axis] = ((axis,), chi, {"units": "1", "long_name": "states kept"})
        variables[axis.replace("chi", "error")] = ((axis,), error, {"units": "1", "long_name": "relative error at T_c"})
    if found.potts is not None:
        variables["potts_dimensions"] = (("step", "field"), found.potts[0].dimensions(8), pure)
    return xarray.Dataset(variables)


def _padded(values: Array, length: int) -> Array:
    """NaN, in arrays the mark of what is not there, where a patch of twice the edge lies beyond the last step."""
    return np.concatenate([values, np.full(length - len(values), np.nan)])


CITE = [
    "M. Hauru, C. Delcamp and S. Mizera, Renormalization of tensor networks using graph-independent local truncations, "
    "Phys. Rev. B 97, 045111 (2018).",
    "X. Lyu, R. G. Xu and N. Kawashima, Scaling dimensions from linearized tensor renormalization group "
    "transformations, Phys. Rev. Research 3, 023048 (2021).",
    "M. Levin and C. P. Nave, Tensor renormalization group approach to two-dimensional classical lattice models, Phys. "
    "Rev. Lett. 99, 120601 (2007).",
    "D. Adachi, T. Okubo and S. Todo, Bond-weighted tensor renormalization group, Phys. Rev. B 105, L060402 (2022).",
    "Z. Y. Xie et al., Coarse-graining renormalization by higher-order singular value decomposition, Phys. Rev. B 86, "
    "045139 (2012).",
    "S. Yang, Z.-C. Gu and X.-G. Wen, Loop optimization for tensor network renormalization, Phys. Rev. Lett. 118, "
    "110504 (2017).",
    "Z.-C. Gu and X.-G. Wen, Tensor-entanglement-filtering renormalization approach and symmetry-protected topological "
    "order, Phys. Rev. B 80, 155131 (2009).",
    "L. Onsager, Crystal statistics I, Phys. Rev. 65, 117 (1944).",
    "R. J. Baxter, Potts model at the critical temperature, J. Phys. C 6, L445 (1973).",
]
