"""The larval Drosophila graph (Winding et al., 2023; Pedigo et al., 2023), where the user has it.

KADANOFF_LARVA names the folder that holds `G_edgelist.txt` and `meta_data.csv` of the source data of eLife 12:e83739.
"""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from kadanoff.networks import Network, Regions

_CLUSTERS = "dc_level_{}_n_components=10_min_split=32"


class Larva(NamedTuple):
    """The connected part of 2,952 neurons, its partitions, and 1 for sensory neurons."""

    network: Network
    regions: dict[str, Regions]
    sensory: np.ndarray


@pytest.fixture(scope="session")
def larva():
    if "KADANOFF_LARVA" not in os.environ:
        pytest.skip("KADANOFF_LARVA does not name the folder of the larval graph")
    folder = Path(os.environ["KADANOFF_LARVA"])
    with (folder / "meta_data.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    rows = [row for row in table if row["selected_lcc"] == "True"]
    ids = np.array([int(row[next(iter(row))]) for row in rows])
    edges = np.loadtxt(folder / "G_edgelist.txt").astype(int)
    kept = np.isin(edges[:, 0], ids) & np.isin(edges[:, 1], ids)
    network = Network.from_edges(*edges[kept].T, nodes=ids)
    function, hemisphere = (np.array([row[name] for row in rows]) for name in ("simple_group", "hemisphere"))
    labels = {
        "hemisphere": hemisphere,
        "function": function,
        "function x hemisphere": np.char.add(function, hemisphere),
        "L4": np.array([row[_CLUSTERS.format(4)] or "none" for row in rows]),
        "L6": np.array([row[_CLUSTERS.format(6)] or "none" for row in rows]),
    }
    regions = {name: Regions.from_labels(label) for name, label in labels.items()}
    return Larva(network, regions, (function == "sensories").astype(float))
