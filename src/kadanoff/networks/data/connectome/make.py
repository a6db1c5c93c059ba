"""Makes the synthetic connectome of this folder: a degree-corrected block model (Karrer and Newman, 2011) whose
expected region network is known.

    python make.py

Nobody's brain: 600 neurons of 8 regions in 2 hemispheres. The contacts of two neurons are Poisson of mean
a_i b_j Omega_IJ / 3, each of one synapse and a Poisson number of mean 2 more; a and b are log-normal (b = 0 for the
afferents, a = 0 for the efferents) and Omega is strong from layer to layer, weaker to the other side, with two hubs
that all others feed. Each synapse lies in the region of its receiver or, one time in four, of its sender. Twelve
neurons have no label; four rows name fragments that are in no table of neurons; some rows stand twice.
"""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
KINDS = ("sensory", "relay", "hub", "motor")
REGIONS = [f"{kind} {side}" for side in "LR" for kind in KINDS]
SIZES = [80, 90, 60, 70] * 2
AFFERENTS, EFFERENTS, UNLABELLED = 20, 15, 12
SENDER_SITE = 0.25
SPREAD = 0.7  # of ln a and ln b
PER_CONTACT = 3  # synapses on average

FORWARD = {("sensory", "relay"): 1.0, ("relay", "hub"): 1.0, ("hub", "motor"): 0.9, ("sensory", "hub"): 0.35}
BACKWARD = {("hub", "relay"): 0.45, ("motor", "hub"): 0.2, ("relay", "sensory"): 0.12}
LATERAL = {"sensory": 0.1, "relay": 0.2, "hub": 0.6, "motor": 0.25}
CROSSED = {("hub", "hub"): 0.8, ("relay", "hub"): 0.25, ("relay", "relay"): 0.15}
BACKGROUND = 0.01
TRANSMITTERS = ("acetylcholine", "glutamate", "GABA")


def expected_rates() -> np.ndarray:
    """Omega: synapses expected for a pair of neurons of each two regions, with a = b = 1."""
    rate = np.full((8, 8), BACKGROUND)
    for i, first in enumerate(REGIONS):
        for j, second in enumerate(REGIONS):
            a, b = first[:-2], second[:-2]
            if first[-1] == second[-1]:
                rate[i, j] += (FORWARD | BACKWARD).get((a, b), 0.0) + (LATERAL[a] if a == b else 0.0)
            else:
                rate[i, j] += CROSSED.get((a, b), 0.0)
    return np.asarray(0.36 * rate)


def _write(name: str, header: list[str], rows: list[list[object]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    data = text.getvalue().encode()
    (HERE / name).write_bytes(gzip.compress(data, 9, mtime=0) if name.endswith(".gz") else data)


def make(seed: int = 20261125) -> None:
    """Write edges.csv.gz, neurons.csv.gz and expected.csv beside this file."""
    random = np.random.default_rng(seed)
    region = np.repeat(np.arange(8), SIZES)
    n = region.size
    sends, takes = (np.exp(random.normal(-0.5 * SPREAD**2, SPREAD, n)) for _ in range(2))
    is_sensory, is_motor = np.isin(region, (0, 4)), np.isin(region, (3, 7))
    silenced = random.choice(np.flatnonzero(is_sensory), AFFERENTS, replace=False)
    silent = random.choice(np.flatnonzero(is_motor), EFFERENTS, replace=False)
    takes[silenced] = 0.0
    sends[silent] = 0.0
    rate = expected_rates()
    contacts = random.poisson(np.outer(sends, takes) * rate[np.ix_(region, region)] / PER_CONTACT)
    count = contacts + random.poisson((PER_CONTACT - 1) * contacts)
    np.fill_diagonal(count, 0)
    for node in random.choice(np.flatnonzero(takes * sends > 0), 5, replace=False):
        count[node, node] = 1
    labelled = np.ones(n, bool)
    labelled[random.choice(n, UNLABELLED, replace=False)] = False
    kind = np.array(TRANSMITTERS)[random.choice(3, n, p=(0.55, 0.2, 0.25))]
    ids = 1000 + random.permutation(n)

    rows: list[list[object]] = []
    into, out = np.zeros((n, 8)), np.zeros((n, 8))
    for i, j in zip(*np.nonzero(count), strict=True):
        there = int(random.binomial(count[i, j], SENDER_SITE))
        sites: dict[int, int] = {}
        for site, synapses in ((region[i], there), (region[j], int(count[i, j]) - there)):
            sites[site] = sites.get(site, 0) + synapses
        for site, synapses in sites.items():
            if synapses:
                rows.append([ids[i], ids[j], REGIONS[site], kind[i], synapses])
                into[j, site] += synapses
                out[i, site] += synapses
    for k in random.choice(len(rows), 6, replace=False):  # a pair written in two rows of the same kind
        if rows[k][4] > 1:
            rows[k][4] -= 1
            rows.append([*rows[k][:4], 1])
    rows += [[9000 + k, ids[7 * k], REGIONS[k], TRANSMITTERS[k % 3], 2] for k in range(4)]  # fragments
    order = random.permutation(len(rows))
    _write("edges.csv.gz", ["pre", "post", "neuropil", "transmitter", "synapses"], [rows[k] for k in order])

    def shares(counts: np.ndarray) -> np.ndarray:
        total = counts.sum(axis=1, keepdims=True)
        return np.asarray(np.divide(counts, total, out=np.zeros_like(counts), where=total > 0))

    neurons = []
    for i in np.argsort(ids):
        side, name = REGIONS[region[i]][-1], REGIONS[region[i]]
        parts = [f"{x:.4g}" for x in (*shares(out)[i], *shares(into)[i])]
        flow = "afferent" if i in silenced else "efferent" if i in silent else "intrinsic"
        neurons.append([ids[i], name if labelled[i] else "", side if labelled[i] else "", flow, *parts])
    columns = [f"{way} {name}" for way in ("axon", "dendrite") for name in REGIONS]
    _write("neurons.csv.gz", ["id", "region", "hemisphere", "flow", *columns], neurons)

    # The mean over all that is random but the numbers of neurons: labels, afferents and efferents are counted as drawn.
    able_to_send, able_to_take = np.zeros((9, 8)), np.zeros((9, 8))
    for i in range(n):
        row = region[i] if labelled[i] else 8
        able_to_send[row, region[i]] += bool(sends[i] > 0)
        able_to_take[row, region[i]] += bool(takes[i] > 0)
    mean = able_to_send @ rate @ able_to_take.T
    both = np.array([[np.sum(labelled & (region == i) & (sends * takes > 0))] for i in range(8)]).ravel()
    mean[np.arange(8), np.arange(8)] -= both * np.diag(rate)  # no neuron meets itself but for the five loops
    names = [*REGIONS, "unassigned"]
    _write(
        "expected.csv", ["from", "to", "synapses"],
        [[names[i], names[j], f"{mean[i, j]:.6g}"] for i in range(8) for j in range(8)],
    )  # fmt: skip
    made = {"synapses": sum(int(str(row[4])) for row in rows), "rows": len(rows), "pairs": int(np.count_nonzero(count))}
    print(made, f"expected {mean.sum():.0f}")


if __name__ == "__main__":
    make()
