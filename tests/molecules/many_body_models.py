"""Models with terms beyond pairs, and their energy by plain loops: shared by tests of the engine and of its exports."""

import numpy as np

from kadanoff.molecules.frames import Beads, Frames
from kadanoff.molecules.local_density import LocalDensity, weight
from kadanoff.molecules.potentials import Model, PairPotential, two_well
from kadanoff.molecules.splines import Knots
from kadanoff.molecules.three_body import AngularTriplet, SplineTriplet

NEAR, FAR, SHORT = Knots(0.0, 0.4, 6), Knots(0.0, 0.8, 9), Knots(0.0, 0.55, 7)


def coefficients(alike=True, far=FAR, seed=1):
    c = np.random.default_rng(seed).normal(size=(NEAR.splines, NEAR.splines, far.splines))
    c = 0.5 * (c + c.transpose(1, 0, 2)) if alike else c
    c[-3:], c[:, -3:] = 0.0, 0.0
    if far is SHORT:
        c[:, :, -3:] = 0.0
    return c


def bend(center="A", ends=("A", "A"), cosine=-1 / 3, reach=2.0):
    return AngularTriplet.stillinger_weber(
        20.0, 0.2, strength=4.0, reach=reach, gamma=1.2, cosine=cosine, center=center, ends=ends
    )


def wave(center="A", ends=("A", "A"), nodes=9):
    x = np.linspace(-1, 1, nodes)
    return AngularTriplet(center, ends, 0.38, 0.25, 30 * np.cos(2 * x), -60 * np.sin(2 * x))


def crowd(center="A", neighbours=("A",), inner=0.2, outer=0.5):
    rho = np.arange(0.0, 13.0, 2.0)
    return LocalDensity(center, neighbours, inner, outer, 0.0, 2.0, 0.02 * (rho - 5.0) ** 2, 0.04 * (rho - 5.0))


def model(triplets=(), densities=(), names=("A",), pair=None):
    masses = (18.0, 30.0)[: len(names)]
    pair = PairPotential.zero(0.4) if pair is None else pair
    pairs = {(a, b): (1.0 - 0.3 * (i + j)) * pair for i, a in enumerate(names) for j, b in enumerate(names) if i <= j}
    return Model(names, masses, pairs, tuple(triplets), tuple(densities))


SPLINE = SplineTriplet("A", ("A", "A"), NEAR, FAR, coefficients())
CUT_SPLINE = SplineTriplet("A", ("A", "A"), NEAR, SHORT, coefficients(far=SHORT))
UNLIKE = SplineTriplet("A", ("B", "A"), NEAR, FAR, coefficients(alike=False))
TWO = ("A", "B")
MIXTURE = (
    (bend("A", TWO), bend("B", ("A", "A"), -0.2, 1.8), wave("B", ("B", "A")), UNLIKE),
    (crowd("A", ("B",)), crowd("B", TWO, 0.1, 0.45)),
)  # fmt: skip

TERMS = {
    "quadratic": ((bend(),), ()), "angle": ((wave(),), ()),
    "spline": ((SPLINE,), ()), "spline cut": ((CUT_SPLINE,), ()),
    "density": ((), (crowd(),)), "long density": ((), (crowd(inner=0.3, outer=0.8),)),
}  # fmt: skip
CASES = {name: (*terms, ("A",)) for name, terms in TERMS.items()} | {
    "quadratic of two types": (MIXTURE[0][:2], (), TWO), "angle of two types": (MIXTURE[0][2:3], (), TWO),
    "spline of two types": (MIXTURE[0][3:], (), TWO), "densities of two types": ((), MIXTURE[1], TWO),
    "all": (*MIXTURE, TWO), "all with pairs": (*MIXTURE, TWO, two_well(0.6)),
}  # fmt: skip


def liquid(number, names=("A",), density=33.4, shake=0.05, seed=0, box=None):
    edges = np.full(3, (number / density) ** (1 / 3)) if box is None else np.asarray(box, float)
    side = np.ceil(edges * (number / np.prod(edges)) ** (1 / 3) - 1e-9).astype(int)
    rng = np.random.default_rng(seed)
    sites = np.stack(np.meshgrid(*[np.arange(k) for k in side], indexing="ij"), -1).reshape(-1, 3)
    x = rng.permutation(sites)[:number] * edges / side + rng.uniform(-shake, shake, (number, 3))
    types = (np.arange(number) % len(names)).astype(np.int32)
    return Frames(Beads(types, names, np.array([18.0, 30.0])[types]), x[None], edges[None], np.zeros(1))


def plain_energy(model, frame):
    """Energy of all terms by loops over beads and pairs of their neighbours."""
    x, box = frame.positions[0], frame.box[0]
    kinds = np.array([frame.beads.names[t] for t in frame.beads.types])
    d = x[None] - x[:, None]
    d -= box * np.rint(d / box)
    r = np.sqrt(np.sum(d * d, axis=2)) + 99.0 * np.eye(len(x))
    energy = 0.0
    for i, j in zip(*np.triu_indices(len(x), 1), strict=True):
        if r[i, j] < model.cutoff:
            energy += float(model.pair(kinds[i], kinds[j]).energy_at(r[i, j]))
    for term in model.densities:
        for i in np.flatnonzero(kinds == term.center):
            counted = np.isin(kinds, term.neighbours) & (np.arange(len(x)) != i)
            energy += float(term.embedding(weight(r[i, counted], term.inner, term.outer)[0].sum())[0])
    for term in model.triplets:
        for i in np.flatnonzero(kinds == term.center):
            near = np.flatnonzero(r[i] < term.cutoff)
            for j in near[kinds[near] == term.ends[0]]:
                for k in near[kinds[near] == term.ends[1]]:
                    if j != k and (term.ends[0] != term.ends[1] or j < k):
                        energy += _three(term, d[i, j], d[i, k])
    return energy


def _three(term, a, b):
    one, two, far = np.linalg.norm(a), np.linalg.norm(b), np.linalg.norm(a - b)
    if isinstance(term, SplineTriplet):
        return np.einsum("a,b,c,abc->", term.near.values(one), term.near.values(two), term.far.values(far),
                         term.coefficients)  # fmt: skip
    h = float(term.angular(a @ b / (one * two))[0])
    return h * np.exp(term.decay / (one - term.cutoff) + term.decay / (two - term.cutoff))
