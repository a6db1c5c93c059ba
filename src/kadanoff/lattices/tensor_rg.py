"""Tensor renormalization of two-dimensional classical models: free energy and conformal data by coarse-graining.

A network of equal tensors T_lurd is replaced, step by step, by one of fewer tensors of the same bond dimension. A split
(singular value decomposition) is cut to chi values, and that is the only approximation.

"trg"       Levin and Nave (2007): T = S S' along both diagonals, four S around a plaquette make the new tensor.
"btrg"      Adachi, Okubo and Todo (2022): the singular values s enter S with the power (1 - k)/2, and s^k stays on the
            bond, k = -1/2: the cut of a tensor then knows of its surroundings. The default; k = 0 is "trg".
"hotrg"     Xie et al. (2012): two tensors contracted, their doubled bond projected; a step does both directions.
"loop-tnr"  Yang, Gu and Wen (2017): the cut is optimised round a loop of four tensors, from which entanglement
            that never leaves the loop is filtered first; see `loop_tnr`, `entanglement_filter`.

Every tensor is normalised, and the factor kept: log Z per spin is the sum of ln g_n / (tensors a step-n tensor stands
for), over the spins of a tensor.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from kadanoff.lattices import loop_tnr
from kadanoff.lattices.symmetric_tensors import Blocks, Vectors, contract, leg_sizes, permuted, scaled, split
from kadanoff.lattices.tensors import LocalTensor
from kadanoff.lattices.transfer_spectra import Spectrum, transfer_spectrum

__all__ = ["Scheme", "TensorFlow", "renormalise"]

Array = NDArray[np.float64]
Scheme = Literal["trg", "btrg", "hotrg", "loop-tnr"]
_FILTER = 3e-5  # of a norm: weaker lets loops grow with the steps, stronger moves the flow off the critical point
_BOND_WEIGHT = -0.5  # k that leaves the weights of a scale-invariant tensor as they are (Adachi, Okubo and Todo, 2022)


@dataclass(frozen=True, eq=False)
class TensorFlow:
    """A run of tensor renormalization; row n is after n steps, row 0 the given tensor.

    Arguments:
        model, scheme, chi: what was renormalised, how, and how many states a bond kept at most.
        spins: of the model, in one tensor of row 0.
        patch: edge, in tensors, of the square patch whose transfer matrix was taken.
        tensors: (steps + 1,) how many tensors of row 0 one tensor stands for.
        log_factors: (steps + 1,) ln g_n, by which the tensor of the step was divided.
        eigenvalues: (steps + 1, n) of the transfer matrix of a patch of normalised tensors, largest first, 0 where
            there are no more; complex where it has them.
        parities: (steps + 1, n) 0 or 1, under the reflection of all spins (0 where it was not used).
        log_traces: (steps + 1,) ln of the trace of that matrix.
        discarded: (steps + 1,) largest share of a squared norm that the step cut off.
    """

    model: str
    scheme: str
    chi: int
    spins: float
    patch: int
    tensors: Array
    log_factors: Array
    eigenvalues: NDArray[np.complex128]
    parities: NDArray[np.int64]
    log_traces: Array
    discarded: Array

    @property
    def lengths(self) -> Array:
        """(steps + 1,) edge of the patch, in spacings of the lattice of row 0."""
        return self.patch * np.sqrt(self.tensors)

    @property
    def log_partition_per_spin(self) -> Array:
        """(steps + 1,) ln Z / N in nats, of the torus made of one patch: its spins are patch^2 tensors spins."""
        kept = np.cumsum(self.log_factors / self.tensors)
        return np.asarray((kept + self.log_traces / (self.patch**2 * self.tensors)) / self.spins)

    @property
    def log_partition(self) -> float:
        """ln Z / N in nats after the last step, for the infinite lattice: -f / kT."""
        return float(self.log_partition_per_spin[-1])

    @property
    def central_charge(self) -> Array:
        """c (m,) of each row whose patch grows to twice its edge within the run.

        c = (6/pi) (4 ln l_0(L) - ln l_0(2L)) / 3, from ln l_0(L) = -f L^2 / kT + pi c / 6 for the leading eigenvalue
        l_0 of an L x L patch (Bloete, Cardy and Nightingale, 1986; Affleck, 1986). Gu and Wen (2009) use it so.
        """
        leading = np.log(np.abs(self.eigenvalues[:, 0]))
        ratio = self.tensors[1:] / self.tensors[:-1]
        found = []
        for row in range(len(leading)):
            later, factor, logs = row, 1.0, 0.0
            while factor < 4 and later + 1 < len(leading):
                logs = ratio[later] * logs + self.log_factors[later + 1]
                factor *= ratio[later]
                later += 1
            if factor == 4:
                difference = 4 * leading[row] - leading[later] - self.patch**2 * logs
                found.append(2 * difference / math.pi)
        return np.array(found)

    def dimensions(self, count: int, parity: int | None = None) -> Array:
        """Scaling dimensions (steps + 1, count), x_i = ln |l_0 / l_i| / 2 pi, smallest first, the identity left out.

        Of one parity where asked (the identity is even); infinite where there are no more eigenvalues.
        """
        with np.errstate(divide="ignore"):
            x = np.log(np.abs(self.eigenvalues[:, :1]) / np.abs(self.eigenvalues)) / (2 * math.pi)
        found = np.full((len(x), count), np.inf)
        for row, (values, parities) in enumerate(zip(x, self.parities, strict=True)):
            chosen = values[1:] if parity is None else values[1:][parities[1:] == parity]
            found[row, : min(count, len(chosen))] = chosen[:count]
        return found


class _Step(NamedTuple):
    """After a step: the two tensors of the checkerboard (twice the same where there is one), ln g, tensors a tensor,
    share discarded, weights on horizontal and vertical bonds."""

    first: Blocks
    second: Blocks
    log_factor: float
    ratio: float
    discarded: float
    weights: tuple[Vectors, Vectors] | None = None


def renormalise(
    tensor: LocalTensor,
    chi: int,
    *,
    steps: int,
    scheme: Scheme = "btrg",
    bond_weight: float = _BOND_WEIGHT,
    filter_strength: float = _FILTER,
    patch: Literal[1, 2] | None = None,
    eigenvalues: int = 12,
    randomised: bool = True,
    symmetric: bool = True,
    seed: int = 0,
) -> TensorFlow:
    """Coarse-grain a lattice of equal tensors.

    Arguments:
        tensor: of `tensors`, or your own `LocalTensor`.
        chi: states kept of a bond at most.
        steps: a step doubles the spins of a tensor; one of "hotrg" quadruples them.
        scheme: see the module.
        bond_weight: k of "btrg".
        filter_strength: of "loop-tnr": what changes a plaquette by less than this share of its norm is taken out; see
            `entanglement_filter`. 0: nothing is.
        patch: edge of the patch whose transfer matrix is diagonalised: 1 tensor, or 2 (sharper, slower). Default 1; 2
            for "loop-tnr", whose tensors come in pairs.
        eigenvalues: kept of each transfer matrix.
        randomised: randomised decompositions where they pay (seeded); else full ones.
        symmetric: use the blocks of the tensor; False joins them.
        seed: of the randomised decompositions.

    Raises:
        ValueError: for a scheme, chi or number of steps out of range, or a network that sums to nothing.

    >>> from kadanoff.lattices import ising_tensor
    >>> flow = renormalise(ising_tensor(0.4406867935), 16, steps=30)
    >>> print(f"{flow.log_partition:.6f}")
    0.929695
    """
    if scheme not in get_args(Scheme):
        raise ValueError(f"scheme: {scheme!r} is none of {', '.join(get_args(Scheme))}")
    if chi < 2 or steps < 0:
        raise ValueError(f"tensor renormalization keeps 2 states or more over 0 steps or more, not {chi} over {steps}")
    edge = patch or (2 if scheme == "loop-tnr" else 1)
    if edge == 1 and scheme == "loop-tnr":
        raise ValueError("loop-tnr makes two kinds of tensors: its smallest square patch has 2 on an edge")
    random = np.random.default_rng([seed, chi]) if randomised else None
    start = tensor if symmetric and scheme != "loop-tnr" else tensor.without_symmetry()
    if scheme == "hotrg":
        path = _hotrg(start.blocks, chi, random)
    elif scheme == "loop-tnr":
        path = (_Step(*step) for step in loop_tnr.steps(start.array, chi, filter_strength))
    else:
        path = _bond_weighted(start.blocks, chi, bond_weight if scheme == "btrg" else 0.0, random)
    rows = [_Step(start.blocks, start.blocks, start.log_scale, 1.0, 0.0)]
    spectra = [transfer_spectrum(start.blocks, start.blocks, edge, eigenvalues)]
    for _ in range(steps):
        row = next(path)
        spectra.append(transfer_spectrum(row.first, row.second, edge, eigenvalues, row.weights))
        rows.append(row._replace(first={}, second={}))
    return _flow(tensor, scheme, chi, edge, rows, spectra)


def _flow(
    tensor: LocalTensor, scheme: str, chi: int, patch: int, rows: list[_Step], spectra: list[Spectrum]
) -> TensorFlow:
    return TensorFlow(
        tensor.name,
        scheme,
        chi,
        tensor.spins,
        patch,
        np.cumprod(np.array([row.ratio for row in rows])),
        np.array([row.log_factor for row in rows]),
        np.array([one.eigenvalues for one in spectra]),
        np.array([one.parities for one in spectra]),
        np.array([one.log_trace for one in spectra]),
        np.array([row.discarded for row in rows]),
    )


def _bond_weighted(tensor: Blocks, chi: int, k: float, random: np.random.Generator | None) -> Iterator[_Step]:
    """TRG with the power k of the singular values left on the bonds."""
    across: Vectors = {parity: np.ones(n) for parity, n in leg_sizes(tensor, 0).items()}
    down: Vectors = {parity: np.ones(n) for parity, n in leg_sizes(tensor, 1).items()}
    while True:
        one = split(tensor, (3, 0), (1, 2), chi, random)  # (d, l, m), (m, u, r)
        two = split(tensor, (0, 1), (2, 3), chi, random)  # (l, u, m), (m, r, d)
        log_factor, weights, halves = 0.0, [], []
        for cut in (one, two):
            top = max(float(s[0]) for s in cut.values.values())
            log_factor += math.log(top)
            values = {parity: s / top for parity, s in cut.values.items()}
            share = {parity: s ** ((1 - k) / 2) for parity, s in values.items()}
            weights.append({parity: s**k for parity, s in values.items()})
            halves += [scaled(cut.left, 2, share), scaled(cut.right, 0, share)]
        lower_left, upper_right, upper_left, lower_right = halves
        # around a plaquette, the bonds inside it carrying their weights:
        #   sum over x, y, v, r of  lower_right(a, r, x) upper_right(e, x, y) upper_left(y, v, c) lower_left(v, r, b)
        lower_right = scaled(scaled(lower_right, 1, across), 2, down)
        upper_left = scaled(scaled(upper_left, 0, across), 1, down)
        left = contract(lower_right, upper_right, (2,), (1,))  # a, r, e, y
        right = contract(upper_left, lower_left, (1,), (0,))  # y, c, r, b
        tensor = permuted(contract(left, right, (1, 3), (2, 0)), (0, 3, 2, 1))  # a, e, c, b -> a, b, c, e
        down, across = weights
        yield _Step(tensor, tensor, log_factor, 2.0, max(one.discarded, two.discarded), (across, down))


def _hotrg(tensor: Blocks, chi: int, random: np.random.Generator | None) -> Iterator[_Step]:
    """Pairs contracted one above the other, then side by side."""
    while True:
        log_factor, discarded = 0.0, 0.0
        for weight in (2.0, 1.0):  # the first factor enters twice: two such tensors make the second
            tensor, lost = _stacked(tensor, chi, random)
            tensor, norm = _normalised(permuted(tensor, (1, 0, 3, 2)))  # seen along the other diagonal
            log_factor += weight * norm
            discarded = max(discarded, lost)
        yield _Step(tensor, tensor, log_factor, 4.0, discarded)


def _stacked(tensor: Blocks, chi: int, random: np.random.Generator | None) -> tuple[Blocks, float]:
    """Two tensors one above the other, their doubled horizontal bond projected to chi states."""
    # M M^T of the pair read from its left (right) bond, never forming M: upper and lower halves share m and m'
    left = contract(
        contract(tensor, tensor, (1, 2), (1, 2)), contract(tensor, tensor, (2, 3), (2, 3)), (1, 3), (1, 3)
    )  # l1, l1', l2, l2'
    right = contract(
        contract(tensor, tensor, (0, 1), (0, 1)), contract(tensor, tensor, (0, 3), (0, 3)), (1, 3), (0, 2)
    )  # r1, r1', r2, r2'
    best: Blocks = {}
    least = math.inf
    for square in (left, right):
        cut = split(square, (0, 2), (1, 3), chi, random)
        whole = sum(
            float(np.einsum("iijj->", block)) for key, block in square.items() if key[0] == key[1] and key[2] == key[3]
        )
        lost = 1.0 - sum(float(s.sum()) for s in cut.values.values()) / whole
        if lost < least:
            best, least = cut.left, lost
    upper = contract(best, tensor, (0,), (0,))  # l2, l, u, r1, m
    pair = contract(upper, tensor, (0, 4), (0, 1))  # l, u, r1, r2, d
    return permuted(contract(pair, best, (2, 3), (0, 1)), (0, 1, 3, 2)), least


def _normalised(tensor: Blocks) -> tuple[Blocks, float]:
    largest = max((float(np.abs(block).max()) for block in tensor.values()), default=0.0)
    if not largest > 0 or not math.isfinite(largest):
        raise ValueError(
            f"the tensors contract to {largest}: the model's weights cancel, or its partition function is 0"
        )
    return {key: block / largest for key, block in tensor.items()}, math.log(largest)
