"""Two-dimensional classical models as a network of one tensor: Ising, Potts, clock, phi^4, or your own pair weights.

On the square lattice with weights W(s, s') on bonds and p(s) on sites,

    Z = sum_s prod_sites p(s_i) prod_bonds W(s_i, s_j),      W = sum_a A_sa B_s'a   (singular values shared out evenly),

so that summing each spin leaves one tensor a spin on a square lattice,

    T_lurd = sum_s p(s) B_sl A_su A_sr B_sd,      Z = the contraction of all of them.

A tensor may stand for another number of spins (the plaquette tensor for two); it carries that number, since a free
energy per tensor that is taken for one per spin is wrong by that factor at every temperature. Levin and Nave (2007);
Xie et al. (2012).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kadanoff.lattices.symmetric_tensors import Blocks, dense

__all__ = [
    "LocalTensor",
    "clock_tensor",
    "ising_plaquette_tensor",
    "ising_tensor",
    "pair_tensor",
    "phi4_tensor",
    "plaquette_tensor",
    "potts_tensor",
]

Array = NDArray[np.float64]
_ZERO = 1e-15  # singular values of a bond below this share of the largest are rounding
_TAIL = 36.0  # nats: e^-36 is the rounding of double precision
_SYMMETRIC = 1e-12  # relative, to which a reflection must leave the weights as they are


@dataclass(frozen=True, eq=False)
class LocalTensor:
    """The tensor that a lattice is made of.

    Arguments:
        blocks: {parities: block} with legs left, up, right, down; see `symmetric_tensors`.
        spins: how many spins of the model one tensor stands for.
        name: of the model, as printed.
        log_scale: nats that the entries were divided by, T = exp(log_scale) blocks.
    """

    blocks: Blocks
    spins: float
    name: str
    log_scale: float = 0.0

    @property
    def array(self) -> Array:
        """The blocks as one array (l, u, r, d), even states first."""
        return dense(self.blocks)

    def without_symmetry(self) -> LocalTensor:
        """The same tensor as one block."""
        return LocalTensor({(0, 0, 0, 0): self.array}, self.spins, self.name, self.log_scale)


def pair_tensor(
    weights: ArrayLike,
    sites: ArrayLike | None = None,
    *,
    vertical: ArrayLike | None = None,
    reflection: ArrayLike | None = None,
    most: int | None = None,
    name: str = "pair weights",
) -> LocalTensor:
    """The tensor of any model with pair weights on the square lattice, one spin a tensor.

    Arguments:
        weights: (q, q) W(s, s') of a spin and its right neighbour, positive or not.
        sites: (q,) p(s), the weight of a state by itself (a field, a quadrature weight); default ones.
        vertical: (q, q) W of a spin and its lower neighbour; default ``weights``.
        reflection: (q,) the state each state becomes under a symmetry of the weights that undoes itself (spin flip,
            charge conjugation): its parity then makes the tensor a set of blocks. None: no symmetry is used.
        most: states kept of a bond at most (for a continuous spin); default all.
        name: as printed.

    Raises:
        ValueError: for shapes that do not fit, numbers that are not finite, or a reflection that is none.
    """
    across = _square("weights", weights)
    down = across if vertical is None else _square("vertical", vertical)
    q = len(across)
    site = np.ones(q) if sites is None else np.asarray(sites, dtype=np.float64)
    if down.shape != across.shape or site.shape != (q,) or not np.all(np.isfinite(site)):
        raise ValueError(
            f"{name}: expected finite weights (q, q), vertical (q, q), sites (q,), got {across.shape}, {down.shape}, "
            f"{site.shape}"
        )
    if not np.any(site):
        raise ValueError(f"{name}: every site has weight 0")
    modes = _modes(q, reflection, (across, down), site, name)
    left_right = {parity: _root(mode.T @ across @ mode) for parity, mode in modes.items()}
    up_down = {parity: _root(mode.T @ down @ mode) for parity, mode in modes.items()}
    first = {parity: (modes[parity] @ a, modes[parity] @ b) for parity, (a, b) in left_right.items()}
    second = {parity: (modes[parity] @ a, modes[parity] @ b) for parity, (a, b) in up_down.items()}
    first, second = _largest(first, most), _largest(second, most)
    blocks = {
        key: np.einsum(
            "s,sl,su,sr,sd->lurd", site, first[key[0]][1], second[key[1]][1], first[key[2]][0], second[key[3]][0],
            optimize=True,
        )
        for key in product(first, second, first, second)
        if sum(key) % 2 == 0
    }  # fmt: skip
    scale = max(float(np.abs(block).max()) for block in blocks.values())
    return LocalTensor({key: block / scale for key, block in blocks.items()}, 1.0, name, math.log(scale))


def plaquette_tensor(
    weights: ArrayLike, *, reflection: ArrayLike | None = None, name: str = "pair weights, plaquettes"
) -> LocalTensor:
    """The tensor on every second plaquette, legs its four corner spins: two spins a tensor, four bonds.

    T_lurd = W(l, u) W(r, u) W(r, d) W(l, d) (Levin and Nave, 2007): spins sit on the legs, each shared by two tensors.
    Arguments as `pair_tensor`; ``weights`` must be symmetric.
    """
    bond = _square("weights", weights)
    if not np.allclose(bond, bond.T, rtol=_SYMMETRIC, atol=0):
        raise ValueError(f"{name}: the weights of a plaquette must be symmetric")
    modes = _modes(len(bond), reflection, (bond,), np.ones(len(bond)), name)
    whole = np.einsum("lu,ru,rd,ld->lurd", bond, bond, bond, bond)
    blocks = {
        key: np.einsum("abcd,al,bu,cr,de->lure", whole, *(modes[parity] for parity in key), optimize=True)
        for key in product(modes, repeat=4)
        if sum(key) % 2 == 0
    }
    scale = max(float(np.abs(block).max()) for block in blocks.values())
    return LocalTensor({key: block / scale for key, block in blocks.items()}, 2.0, name, math.log(scale))


def ising_tensor(coupling: float, *, field: float = 0.0) -> LocalTensor:
    """exp(K s s' ) on bonds, exp(h s) on sites, s = -1, 1; parity is used where h = 0. K = J/kT, h = H/kT."""
    weights = np.exp(coupling * np.array([[1.0, -1.0], [-1.0, 1.0]]))
    if field == 0:
        return pair_tensor(weights, reflection=[1, 0], name=f"Ising, K = {coupling:g}")
    return pair_tensor(weights, np.exp([-field, field]), name=f"Ising, K = {coupling:g}, h = {field:g}")


def ising_plaquette_tensor(coupling: float) -> LocalTensor:
    """The Ising model by `plaquette_tensor`: two spins a tensor, the other convention in use."""
    weights = np.exp(coupling * np.array([[1.0, -1.0], [-1.0, 1.0]]))
    return plaquette_tensor(weights, reflection=[1, 0], name=f"Ising plaquettes, K = {coupling:g}")


def potts_tensor(states: int, coupling: float) -> LocalTensor:
    """exp(K delta(s, s')) on bonds, q states (Potts, 1952); the exchange of two states gives the parity.

    K_c = ln(1 + sqrt q) on the square lattice, by duality.
    """
    if states < 2:
        raise ValueError(f"a Potts spin has 2 states or more, not {states}")
    weights = np.exp(coupling * np.eye(states))
    exchange = np.arange(states)
    exchange[-2:] = exchange[-2:][::-1]
    return pair_tensor(weights, reflection=exchange, name=f"Potts, q = {states}, K = {coupling:g}")


def clock_tensor(states: int, coupling: float) -> LocalTensor:
    """exp(K cos(2 pi (s - s') / q)) on bonds, q states; the parity is that of s -> -s."""
    if states < 2:
        raise ValueError(f"a clock has 2 states or more, not {states}")
    angle = 2 * np.pi * np.arange(states) / states
    weights = np.exp(coupling * np.cos(angle[:, None] - angle[None, :]))
    return pair_tensor(weights, reflection=-np.arange(states) % states, name=f"clock, q = {states}, K = {coupling:g}")


def phi4_tensor(mass_squared: float, quartic: float, *, nodes: int = 64, most: int = 32) -> LocalTensor:
    """A real field on the lattice, discretised by Gauss-Hermite quadrature; one site a tensor.

    S = sum_x [ (1/2) sum_mu (phi_x+mu - phi_x)^2 + (1/2) m^2 phi_x^2 + (lambda/4) phi_x^4 ],   Z = int prod dphi e^-S.

    Arguments:
        mass_squared: m^2, bare, of any sign; lattice units.
        quartic: lambda >= 0; with lambda = 0 a mass m^2 > 0 is needed.
        nodes: of the quadrature, scaled to the width of a single site's weight.
        most: states kept of a bond at most.

    Raises:
        ValueError: where no partition function exists, or for fewer than 4 nodes.

    Source: Kadoh, Kuramashi, Nakamura, Sakai, Takeda and Yoshimura, JHEP 05 (2019) 184.
    """
    if quartic < 0 or (quartic == 0 and mass_squared <= 0):
        raise ValueError(f"phi^4 needs lambda > 0, or lambda = 0 and m^2 > 0: got {quartic}, m^2 = {mass_squared}")
    if nodes < 4 or most < 1:
        raise ValueError(f"phi^4: 4 nodes and 1 state of a bond at least, not {nodes} and {most}")
    x, w = np.polynomial.hermite.hermgauss(nodes)
    # the largest field that matters: where V(phi) = (1/2) m^2 phi^2 + (lambda/4) phi^4 is 36 above its minimum
    if quartic == 0:
        reach = math.sqrt(2 * _TAIL / mass_squared)
    else:
        depth = min(mass_squared, 0.0) ** 2 / (4 * quartic)
        reach = math.sqrt((math.sqrt(mass_squared**2 + 4 * quartic * (_TAIL - depth)) - mass_squared) / quartic)
    step = reach / x[-1]
    field = step * x
    log_site = np.log(step * w) + x**2 - 0.5 * mass_squared * field**2 - 0.25 * quartic * field**4
    shift = float(log_site.max())
    weights = np.exp(-0.5 * (field[:, None] - field[None, :]) ** 2)
    # the bond is decomposed with the square root of the site's weight to the power 1/2 on each of its ends
    quarter = np.exp((log_site - shift) / 4)
    shared = quarter[:, None] * weights * quarter[None, :]
    name = f"phi^4, m^2 = {mass_squared:g}, lambda = {quartic:g}"
    found = pair_tensor(shared, reflection=np.arange(nodes)[::-1], most=most, name=name)
    return LocalTensor(found.blocks, 1.0, found.name, found.log_scale + shift)


def _square(what: str, values: ArrayLike) -> Array:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2 or array.shape[0] != array.shape[1] or array.shape[0] < 1 or not np.all(np.isfinite(array)):
        raise ValueError(f"{what}: expected finite numbers (q, q), got shape {array.shape}")
    if not np.any(array):
        raise ValueError(f"{what}: every pair has weight 0")
    return array


def _modes(q: int, reflection: ArrayLike | None, bonds: tuple[Array, ...], site: Array, name: str) -> dict[int, Array]:
    """Orthonormal even and odd combinations of states, {parity: (q, n)}."""
    if reflection is None:
        return {0: np.eye(q)}
    image = np.asarray(reflection)
    states = np.arange(q)
    if not np.array_equal(np.sort(image), states) or not np.array_equal(image[image], states):
        raise ValueError(
            f"{name}: a reflection lists the image of each of {q} states and undoes itself, not {image.tolist()}"
        )
    unlike = any(not np.allclose(w, w[np.ix_(image, image)], rtol=_SYMMETRIC, atol=0) for w in bonds)
    if unlike or not np.allclose(site, site[image], rtol=_SYMMETRIC, atol=0):
        raise ValueError(f"{name}: the weights change under the reflection {image.tolist()}")
    even, odd = [], []
    unit = np.eye(q)
    for state, other in enumerate(image):
        if other == state:
            even.append(unit[state])
        elif other > state:
            even.append((unit[state] + unit[other]) / math.sqrt(2))
            odd.append((unit[state] - unit[other]) / math.sqrt(2))
    modes = {0: np.array(even).T}
    if odd:
        modes[1] = np.array(odd).T
    return modes


def _root(bond: Array) -> tuple[Array, Array]:
    """A, B with W = A B^T, singular values shared out evenly between them, largest first."""
    u, s, v = np.linalg.svd(bond)
    root = np.sqrt(s)
    return u * root, v.T * root


def _largest(factors: dict[int, tuple[Array, Array]], most: int | None) -> dict[int, tuple[Array, Array]]:
    """The columns of the largest singular values over both parities (their squared lengths)."""
    values = {parity: np.linalg.norm(a, axis=0) * np.linalg.norm(b, axis=0) for parity, (a, b) in factors.items()}
    every = np.sort(np.concatenate(list(values.values())))[::-1]
    least = _ZERO * every[0] if most is None else max(every[min(most, len(every)) - 1], _ZERO * every[0])
    found = {}
    for parity, (a, b) in factors.items():
        keep = values[parity] >= least
        if keep.any():
            found[parity] = (a[:, keep], b[:, keep])
    return found
