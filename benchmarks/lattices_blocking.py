"""Claim: blocking is free. A 2 x 2 majority with coins costs at most 0.05 ns a spin on packed spins, the eleven
operators of a 64 x 64 lattice some microseconds a configuration, the couplings of 400
configurations less than half a second."""

from __future__ import annotations

from _common import machine, seconds, table, use_cores

use_cores(1)

import numpy as np  # noqa: E402

from kadanoff.lattices._kernels import blocking as kernels  # noqa: E402
from kadanoff.lattices.blocking import block_packed, lattice_blocks, pack_spins  # noqa: E402
from kadanoff.lattices.couplings import fit_couplings  # noqa: E402
from kadanoff.lattices.lattice import square  # noqa: E402
from kadanoff.lattices.operators import even_operators, odd_operators, operator_sums  # noqa: E402
from kadanoff.lattices.sampling import sample  # noqa: E402


def plain_blocks(spins: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """The same in NumPy: sums of blocks, their signs, coins for ties."""
    n, size, _ = spins.shape
    sums = spins.reshape(n, size // 2, 2, size // 2, 2).sum(axis=(2, 4), dtype=np.int8)
    coins = 2 * generator.integers(0, 2, sums.shape, dtype=np.int8) - 1
    return np.where(sums == 0, coins, np.sign(sums))


def plain_operators(spins: np.ndarray) -> np.ndarray:
    """Seven of the operators in NumPy: nn, nnn, plaquette, third, knight, (2,2), diamond."""
    s = spins.astype(np.int16)

    def moved(y: int, x: int) -> np.ndarray:
        return np.roll(s, (-y, -x), axis=(1, 2))

    return np.stack(
        [
            (s * (moved(0, 1) + moved(1, 0))).sum(axis=(1, 2)),
            (s * (moved(1, 1) + moved(1, -1))).sum(axis=(1, 2)),
            (s * moved(0, 1) * moved(1, 0) * moved(1, 1)).sum(axis=(1, 2)),
            (s * (moved(0, 2) + moved(2, 0))).sum(axis=(1, 2)),
            (s * (moved(1, 2) + moved(2, 1) + moved(1, -2) + moved(2, -1))).sum(axis=(1, 2)),
            (s * (moved(2, 2) + moved(2, -2))).sum(axis=(1, 2)),
            (moved(0, 1) * moved(1, 0) * moved(0, -1) * moved(-1, 0)).sum(axis=(1, 2)),
        ],
        axis=1,
    )


def main() -> None:
    lattice = square(64)
    critical = float(np.log1p(np.sqrt(2)) / 2)
    drawn = sample(square(64), critical, samples=6400, algorithm="swendsen-wang", every=2, seed=0).configurations
    packed, blocks = pack_spins(drawn), lattice_blocks(lattice)
    even = even_operators("square")
    assert np.array_equal(operator_sums(drawn[:64], lattice, even), plain_operators(drawn[:64]))
    blocked, ties = np.empty((100, 1024), dtype=np.uint64), np.empty(100, dtype=np.int64)
    generator = np.random.default_rng(0)
    spins = drawn.size
    runs = {
        "block: numpy": (lambda: plain_blocks(drawn[:640], generator), spins / 10),
        "block: packed": (
            lambda: kernels.majority(packed.words, blocks.members, True, 0, 0, blocked, ties), float(spins),
        ),
        "block: packed, with its arrays": (lambda: block_packed(packed, blocks), float(spins)),
        "pack int8 spins": (lambda: pack_spins(drawn), float(spins)),
        "7 operators: numpy": (lambda: plain_operators(drawn[:640]), spins / 10),
        "7 operators: packed": (lambda: operator_sums(packed, lattice, even), float(spins)),
        "11 operators: packed": (lambda: operator_sums(packed, lattice, even + odd_operators("square")), float(spins)),
        "5 couplings, 400 configurations": (lambda: fit_couplings(drawn[:400], lattice), 400 * 4096.0),
    }  # fmt: skip
    rows = []
    for name, (run, number) in runs.items():
        _, best = seconds(run, repeats=5)
        rows.append((name, 1e9 * best / number, best))
    print(machine())
    print(table(rows, ("what", "ns a spin", "seconds")))


if __name__ == "__main__":
    main()
