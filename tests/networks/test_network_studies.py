"""The studies `worm` and `connectome`, and the kind `networks.regions` on tables it has never seen."""

from __future__ import annotations

import csv
import gzip
import importlib.util
import json
import os
import re
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

import kadanoff.networks
from kadanoff.networks import block
from kadanoff.networks.studies import pictures
from kadanoff.networks.studies.connectome import RegionsConfig, regions
from kadanoff.networks.studies.measures import hub_errors
from kadanoff.plotting import to_svg
from kadanoff.report import build
from kadanoff.study import ConfigError, Run, execute
from kadanoff.study.configs import load

pytest.importorskip("pyarrow", reason="the extra networks is not installed")

DATA = Path(kadanoff.networks.__file__).parent / "data" / "connectome"
CLUB = {"AVAL", "AVAR", "AVBL", "AVBR", "AVDL", "AVDR", "AVEL", "AVER", "PVCL", "PVCR", "DVA"}


def _has(*packages: str) -> bool:
    try:
        return all(metadata.distribution(name) is not None for name in packages)
    except metadata.PackageNotFoundError:
        return False


needs_worm = pytest.mark.skipif(not _has("cect", "connectome-utilities", "xlrd"), reason="cect is not installed")


# --- the worm -------------------------------------------------------------------


@needs_worm
def test_the_worm_has_its_published_numbers():
    from kadanoff.networks.studies.worm_records import read_stages, read_worm

    animal = read_worm()
    assert (animal.chemical.n, animal.chemical.m, animal.chemical.total) == (279, 2194, 6394)
    assert (animal.gap_junctions, animal.muscle_junctions) == (890, 1410)
    assert animal.lower_case == (("avfr", "avfl", 1),)
    assert (animal.chemical.matrix() != animal.received.matrix()).nnz == 0
    made = block(animal.chemical, animal.ganglia)
    at = {name: k for k, name in enumerate(made.names)}
    assert made.total == 6394
    assert made.counts[at["lateral"], at["lateral"]] == 1070
    assert made.counts[at["ventral cord"], at["ventral cord"]] == 744
    assert made.counts[at["lateral"], at["ventral"]] == 428
    assert animal.ganglia.sizes[-1] == 0
    stages = read_stages()
    grown = [int(block(one, stages.regions).counts.sum()) for one in stages.networks]
    assert grown == [1296, 1895, 2128, 2777, 4116, 4456, 7467, 7970]


@needs_worm
def test_the_ganglia_have_the_members_that_their_names_say():
    """Cells whose ganglion WormAtlas names, one or more for each of the ten."""
    from kadanoff.networks.studies.worm_records import read_worm

    animal = read_worm()
    label = {
        str(node): animal.ganglia.names[k] for node, k in zip(animal.chemical.nodes, animal.ganglia.label, strict=True)
    }
    known = {"IL1L": "anterior", "ALA": "dorsal", "AVAL": "lateral", "ASER": "lateral", "AIYL": "ventral",
             "RIH": "ventral", "AVG": "retrovesicular", "PVDL": "posterolateral", "DA04": "ventral cord",
             "PVT": "preanal", "DVA": "dorsorectal", "PVCL": "lumbar", "PLML": "lumbar"}  # fmt: skip
    assert {name: label[name] for name in known} == known


@needs_worm
@pytest.mark.slow
def test_the_study_worm(tmp_path):
    path = execute("worm", tmp_path, seed=0)
    result = json.loads(path.read_text())
    numbers = result["estimates"]
    assert result["verdict"]["passed"] is True
    assert numbers["rich_club_size"]["value"] == 11
    assert numbers["rich_club_normalised"]["error"] > 0
    assert numbers["information_kept"]["value"] > 5 * numbers["information_kept.random"]["value"]
    with (tmp_path / "rich-club.csv").open() as stream:
        assert {row["neuron"] for row in csv.DictReader(stream)} == CLUB
    assert "sortable" in build(tmp_path).read_text()


def test_a_missing_package_is_named_with_the_line_that_installs_it(monkeypatch):
    from kadanoff.networks import worm

    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(worm.metadata, "files", missing)
    with pytest.raises(ValueError, match="pip install --no-deps cect connectome-utilities"):
        worm.varshney_worm()


# --- the synthetic connectome ---------------------------------------------------


@pytest.fixture(scope="module")
def maker():
    spec = importlib.util.spec_from_file_location("make", DATA / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_shipped_connectome_is_what_its_script_makes(maker, tmp_path, monkeypatch):
    monkeypatch.setattr(maker, "HERE", tmp_path)
    maker.make()
    for name in ("edges.csv.gz", "neurons.csv.gz"):
        assert gzip.decompress((tmp_path / name).read_bytes()) == gzip.decompress((DATA / name).read_bytes())
    assert (tmp_path / "expected.csv").read_text() == (DATA / "expected.csv").read_text()
    assert sum(path.stat().st_size for path in DATA.iterdir() if path.is_file()) < 200_000


@pytest.mark.slow
def test_the_expected_counts_are_the_mean_over_many_connectomes(maker, tmp_path, monkeypatch):
    monkeypatch.setattr(maker, "HERE", tmp_path)
    ratios = []
    for seed in range(24):
        maker.make(seed)
        config = load("connectome", [f'edges="{tmp_path}/edges.csv.gz"', f'neurons="{tmp_path}/neurons.csv.gz"']).config
        from kadanoff.networks.studies.connectome import read_tables

        read = read_tables(config, config.edges, config.neurons)
        made = block(read.network, read.regions)
        with (tmp_path / "expected.csv").open() as stream:
            rows = [row for row in csv.DictReader(stream) if float(row["synapses"]) > 100]
        at = {name: k for k, name in enumerate(made.names)}
        ratios.append([made.counts[at[row["from"]], at[row["to"]]] / float(row["synapses"]) for row in rows])
    ratio = np.array(ratios)
    score = (ratio.mean(axis=0) - 1) / (ratio.std(axis=0, ddof=1) / np.sqrt(len(ratio)))
    assert np.abs(score).max() < 5


@pytest.mark.slow
def test_the_study_connectome(tmp_path):
    result = json.loads(execute("connectome", tmp_path, seed=0).read_text())
    numbers = result["estimates"]
    assert result["verdict"]["passed"] is True
    assert numbers["synapses_kept"]["value"] == numbers["synapses"]["value"] == 26584
    assert numbers["read.unmatched"]["value"] == 4
    assert numbers["external_share"]["value"] > 0
    assert {row["name"] for row in result["ledger"]} >= {
        "connections, block",
        "connections, soft block",
        "connections, projectome",
    }
    assert build(tmp_path).is_file()


# --- tables of one's own --------------------------------------------------------


def write(folder: Path, name: str, header: str, rows) -> None:
    lines = [header, *(",".join(str(cell) for cell in row) for row in rows)]
    (folder / name).write_text("\n".join(lines) + "\n")


def made_up(folder: Path, *, seed: int, inside: float, outside: float, sites: bool = True) -> None:
    """Ninety neurons of three regions, denser inside each where `inside` is larger than `outside`."""
    random = np.random.default_rng(seed)
    label = np.repeat([0, 1, 2], 30)
    rate = np.where(label[:, None] == label[None, :], inside, outside) * np.exp(random.normal(0, 0.5, 90))[:, None]
    count = random.poisson(rate)
    rows = []
    for i, j in zip(*np.nonzero(count), strict=True):
        rows.append([i, j, count[i, j], "abc"[label[j]]] if sites else [i, j, count[i, j]])
    write(folder, "edges.csv", "pre,post,synapses,neuropil" if sites else "pre,post,synapses", rows)
    write(folder, "neurons.csv", "id,region,side", [[i, "abc"[label[i]] if i else "", "LR"[i % 2]] for i in range(90)])


def study(folder: Path, **changes):
    settings = {"edges": "edges.csv", "neurons": "neurons.csv", "region": ["region"], "rewirings": 60, "replicates": 50}
    settings |= {"random_partitions": 4, "thresholds": [1, 2]} | changes
    settings = {key: value for key, value in settings.items() if value is not None}
    return regions(RegionsConfig.model_validate(settings, context={"folder": folder}), Run(seed=5))


def test_regions_of_ones_own_tables(tmp_path):
    made_up(tmp_path, seed=1, inside=1.0, outside=0.15)
    result = study(tmp_path, signs=None, precision=0.9)
    numbers = {name: number.value for name, number in result.reported.items()}
    total = sum(int(line.split(",")[2]) for line in (tmp_path / "edges.csv").read_text().splitlines()[1:])
    assert numbers["synapses"] == numbers["synapses_kept"] == total
    assert numbers["unassigned_neurons"] == 1
    assert numbers["regions"] == 3
    assert numbers["highways"] >= 3  # the diagonal
    assert numbers["information_kept"] > 4 * numbers["information_kept.random"]
    assert numbers["information_kept.informative"] > 1.5 * numbers["information_kept.informative.rewired"]
    result.ledger.verify()
    assert set(result.files) == {"block.csv", "soft-block.csv", "projectome.csv"}
    rows = list(csv.DictReader(result.files["block.csv"].splitlines()))
    assert sum(int(row["synapses"]) for row in rows) == total
    assert list(result.tables["regions"].columns["region"]) == ["a", "b", "c", "unassigned"]
    assert set(result.pictures) >= {"region-network", "flows", "layers", "hubs", "lost", "activity", "thresholds"}


def test_regions_without_structure_are_found_to_have_none(tmp_path):
    """Negative control: one density everywhere: no block is a highway and labels tell no more than random ones."""
    made_up(tmp_path, seed=2, inside=0.4, outside=0.4)
    result = study(tmp_path)
    numbers = {name: number.value for name, number in result.reported.items()}
    assert numbers["highways"] == 0
    kept, chance = numbers["information_kept"], numbers["information_kept.random"]
    assert kept < 2 * chance
    # groups that were fitted tell ten times as much, and just as much where the network is rewired
    fitted, rewired = numbers["information_kept.informative"], numbers["information_kept.informative.rewired"]
    assert fitted > 10 * chance
    assert fitted == pytest.approx(rewired, rel=0.2)
    assert "found in a network rewired at random" in result.verdict.text
    assert "0 of" in result.verdict.text


def test_regions_of_one_neuron_each_lose_nothing_and_have_no_error(tmp_path):
    """The exact limit; and where nothing can be redrawn or rewired, that is said instead of a number."""
    random = np.random.default_rng(0)
    pairs = [(i, j) for i in range(8) for j in range(8) if i != j and random.random() < 0.5]
    write(tmp_path, "edges.csv", "pre,post,synapses", [[i, j, random.integers(1, 5)] for i, j in pairs])
    write(tmp_path, "neurons.csv", "id,region", [[i, f"r{i}"] for i in range(8)])
    result = study(tmp_path, others=[])
    numbers = result.reported
    assert numbers["information_kept"].value == pytest.approx(1)
    for name in ("lumpability_defect", "dynamics_error.t1", "dynamics_error.t8", "flow_error"):
        assert numbers[name].value == pytest.approx(0, abs=1e-9)
    assert "neurons enough" in numbers["relative_error.neurons"].reason
    assert "constant under this null" in numbers["reciprocity_z"].reason
    assert "of the replicates" not in result.verdict.text


@pytest.mark.parametrize("kind", ["soft block", "projectome"])
def test_another_map_is_drawn_and_named(tmp_path, kind):
    made_up(tmp_path, seed=3, inside=1.0, outside=0.15)
    result = study(tmp_path, map=kind, region=[])
    assert f"in the {kind} network" in result.verdict.text
    assert "a region being where most of a neuron's input lies" in " ".join(result.verdict.text.split())
    assert kind in result.pictures["chosen-map"].caption
    assert f"{kind} map" in result.tables["regions"].caption
    mine = [number for name, number in result.reported.items() if name.startswith(kind.replace(" ", "_") + ".")]
    assert len(mine) == 5
    assert all(number.error > 0 for number in mine)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"map": "projectome"}, "needs sites"),
        ({"map": "soft block"}, "needs sites or columns of shares"),
        ({"preset": "fly"}, "preset: no 'fly'"),
        ({"region": []}, "name a column of the neurons"),
        ({"region": ["areal"]}, "no column 'areal'"),
        ({"neurons": None}, "need a table of neurons"),
        ({"stimulus": ["x"]}, "no region named x; there are a, b, c"),
        ({"columns": {"count": "weight"}}, "no column 'weight'"),
        ({"shares": {"names": ["p"], "sender": ["q"], "receiver": ["q"]}}, "no column 'q'"),
    ],
)
def test_what_the_tables_do_not_allow_is_said(tmp_path, changes, words):
    made_up(tmp_path, seed=4, inside=1.0, outside=0.15, sites=False)
    with pytest.raises(ValueError, match=words):
        study(tmp_path, **changes)


def test_tables_that_do_not_belong_together_are_named(tmp_path):
    """Else all neurons would be unassigned, and a null model would complain of one region."""
    made_up(tmp_path, seed=4, inside=1.0, outside=0.15)
    text = (tmp_path / "neurons.csv").read_text().splitlines()
    header, rows = text[0], [line.split(",") for line in text[1:]]
    write(tmp_path, "neurons.csv", header, [[f"{90000 + k}", *row[1:]] for k, row in enumerate(rows)])
    with pytest.raises(ValueError, match=r"(?s)no neuron of the connections is in this table.*name the column of ids"):
        study(tmp_path)
    place = header.split(",").index("region")
    alike = [[*row[:place], "a", *row[place + 1 :]] for row in rows]
    write(tmp_path, "neurons.csv", header, alike)
    with pytest.raises(ValueError, match="neurons are in 'a'; two are needed"):
        study(tmp_path)


def test_the_verdict_counts_the_regions_of_the_map_asked_for(tmp_path):
    """Sites and labels are different regions: here three and two."""
    made_up(tmp_path, seed=3, inside=1.0, outside=0.15)
    text = " ".join(study(tmp_path, map="projectome", region=["side"]).verdict.text.split())
    assert "in the projectome network of 3 regions" in text
    assert "block map (2 regions" in text


def test_fractions_of_synapses_are_refused(tmp_path):
    made_up(tmp_path, seed=4, inside=1.0, outside=0.15)
    text = (tmp_path / "edges.csv").read_text()
    (tmp_path / "edges.csv").write_text(re.sub(r",1,([abc])\n", r",1.5,\1\n", text, count=2))
    with pytest.raises(ValueError, match="2 rows hold fractions of synapses"):
        study(tmp_path)


def test_an_expectation_of_other_regions_is_refused(tmp_path):
    made_up(tmp_path, seed=4, inside=1.0, outside=0.15)
    write(tmp_path, "expected.csv", "from,to,synapses", [["a", "z", 3]])
    with pytest.raises(ValueError, match="row 0 is about a to z"):
        study(tmp_path, expected="expected.csv")


def test_a_wrong_number_of_share_columns_is_named(tmp_path):
    made_up(tmp_path, seed=4, inside=1.0, outside=0.15)
    (tmp_path / "mine.toml").write_text(
        'kind = "networks.regions"\nedges = "edges.csv"\n[shares]\nnames = ["p", "q"]\nsender = ["side"]\n'
    )
    with pytest.raises(ConfigError, match="2 names need as many columns of senders and of receivers, not 1 and 0"):
        load(str(tmp_path / "mine.toml"))


@pytest.mark.slow
@pytest.mark.skipif("KADANOFF_LARVA" not in os.environ, reason="KADANOFF_LARVA names no folder")
def test_the_larva(tmp_path):
    folder = os.environ["KADANOFF_LARVA"]
    config = RegionsConfig.model_validate(
        {
            "edges": f"{folder}/G_edgelist.txt", "neurons": f"{folder}/meta_data.csv", "preset": "larva",
            "region": ["simple_group", "hemisphere"], "rewirings": 40, "random_partitions": 5,
        }
    )  # fmt: skip
    result = regions(config, Run(seed=0))
    numbers = {name: number.value for name, number in result.reported.items()}
    assert numbers["synapses_kept"] == 376091
    assert numbers["regions"] == 37
    assert 0.15 < numbers["information_kept"] < 0.25
    assert numbers["relative_error.neurons"] > 2 * numbers["relative_error.synapses"]
    result.ledger.verify()


# --- pieces ---------------------------------------------------------------------


def test_hubs_of_a_star():
    """All goes through the middle one: it is first in every replicate, and only it lies on shortest paths."""
    counts = np.zeros((5, 5))
    counts[0, 1:] = counts[1:, 0] = [4, 5, 6, 7]
    found = hub_errors(counts, np.array([counts * scale for scale in (0.5, 1.0, 1.5)]))
    assert found.rank[0] == 1
    assert found.first.tolist() == [1, 0, 0, 0, 0]
    assert found.betweenness.tolist() == [1, 0, 0, 0, 0]
    assert found.strength.tolist() == [44, 8, 10, 12, 14]
    assert found.strength_error[0] == pytest.approx(22)
    assert found.participation[0] == pytest.approx(1 - (16 + 25 + 36 + 49) / 22**2)
    assert found.participation[1:].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("k", [1, 50])
def test_pictures_of_any_number_of_regions(k):
    random = np.random.default_rng(k)
    counts = random.poisson(random.exponential(3, (k, k))).astype(float)
    names, groups = [f"region {i}" for i in range(k)], ["L" if i < k / 2 else "R" for i in range(k)]
    z = np.where(counts > 0, random.normal(0, 3, (k, k)), np.nan)
    drawn = [
        pictures.matrices(counts, names, groups=groups, apart=names[-1:], z=z, marked=np.abs(z) > 4),
        pictures.matrices(np.zeros((k, k)), names),
        pictures.chords(counts, names),
        pictures.layered(counts, names, random.uniform(0, 3, k), counts.sum(axis=0) + 1, groups=groups),
        pictures.hubs(counts.sum(axis=0), random.uniform(0, 1, k), names, groups=groups),
    ]
    assert all(isinstance(one, Figure) and len(to_svg(one)) > 1000 for one in drawn)
