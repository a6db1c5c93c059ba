"""Tables of every kind give one network; public schemas; what is wrong in a table is named with numbers."""

from __future__ import annotations

import gzip
import hashlib
import os
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

from kadanoff.networks import (
    PRESETS,
    Network,
    block,
    presets,
    projectome,
    read_matrix,
    read_network,
    read_nodes,
    read_preset_nodes,
    read_sites,
    soft_block,
    varshney_worm,
    witvliet_nodes,
    witvliet_worm,
)
from kadanoff.networks.identifiers import IdTable
from kadanoff.networks.tables import NodeTable

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
feather = pytest.importorskip("pyarrow.feather")

PRE = np.array([9007199254740993, 9007199254740995, 9007199254740993, 9007199254740997])  # beyond 2^53
POST = np.array([9007199254740995, 9007199254740993, 9007199254740997, 9007199254740997])
COUNT, ROI = np.array([3, 1, 2, 5]), ["EB", "PB", None, "EB"]


def alike(one: Network, other: Network) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in ("nodes", "source", "target", "count")
    )


def test_every_format_gives_the_same_network(tmp_path):
    table = pa.table({"pre": PRE, "post": POST, "weight": COUNT, "roi": ROI})
    want = Network.from_edges(PRE, POST, COUNT, site=["EB", "PB", "unassigned", "EB"])
    text = "pre,post,weight,roi\n" + "".join(
        f"{a},{b},{c},{r or ''}\n" for a, b, c, r in zip(PRE, POST, COUNT, ROI, strict=True)
    )
    pq.write_table(table, tmp_path / "e.parquet")
    pq.write_to_dataset(table, tmp_path / "hive", partition_cols=["roi"])
    feather.write_feather(table, tmp_path / "e.feather")
    (tmp_path / "e.csv").write_text(text)
    (tmp_path / "e.tsv").write_text(text.replace(",", "\t"))
    with gzip.open(tmp_path / "e.csv.gz", "wt") as file:
        file.write(text)
    for name in ("e.parquet", "e.feather", "e.csv", "e.tsv", "e.csv.gz"):
        found = read_network(tmp_path / name)
        assert alike(found, want), name
        assert found.site_names == ("EB", "PB", "unassigned"), name
        assert np.array_equal(found.site, want.site), name
    assert alike(read_network(tmp_path / "hive", columns={"site": None}), Network.from_edges(PRE, POST, COUNT))
    bare = "\n".join(f"{a} {b} {c}.0" for a, b, c in zip(PRE, POST, COUNT, strict=True))
    (tmp_path / "e.txt").write_text(bare + "\n")
    assert alike(read_network(tmp_path / "e.txt"), Network.from_edges(PRE, POST, COUNT))
    each = pa.table({"pre": np.repeat(PRE, COUNT), "post": np.repeat(POST, COUNT)})  # a row for every synapse
    pq.write_table(each, tmp_path / "each.parquet")
    one = read_network(tmp_path / "each.parquet")
    assert alike(one, Network.from_edges(PRE, POST, COUNT))
    assert one.mended.duplicates == COUNT.sum() - 4


def test_sparse_graphs_and_matrices(tmp_path):
    matrix = np.array([[0, 2, 0], [1, 0, 3], [0, 0, 4]])
    want = Network.from_matrix(matrix, ["a", "b", "c"])
    scipy.sparse.save_npz(tmp_path / "m.npz", scipy.sparse.csr_array(matrix))
    assert alike(read_network(tmp_path / "m.npz", nodes=["a", "b", "c"]), want)
    rows = ["0,2,0", "1,0,3", "0,0,4"]
    (tmp_path / "bare.csv").write_text("\n".join(rows))
    (tmp_path / "labels.csv").write_text("a,b,c\n")
    (tmp_path / "named.csv").write_text("\n".join(["a,b,c", *rows]))
    (tmp_path / "both.tsv").write_text(
        "\n".join(["\ta\tb\tc", *(f"{n}\t" + r.replace(",", "\t") for n, r in zip("abc", rows, strict=True))])
    )
    for found in (
        read_matrix(tmp_path / "bare.csv", tmp_path / "labels.csv"),
        read_matrix(tmp_path / "bare.csv", ["a", "b", "c"]),
        read_matrix(tmp_path / "named.csv"),
        read_matrix(tmp_path / "both.tsv"),
    ):
        assert alike(found, want)
    assert read_matrix(tmp_path / "bare.csv").nodes.tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="2 labels for 3 rows"):
        read_matrix(tmp_path / "bare.csv", ["a", "b"])
    networkx = pytest.importorskip("networkx")
    graph = networkx.DiGraph()
    graph.add_nodes_from("abc")
    graph.add_weighted_edges_from([("a", "b", 2), ("b", "a", 1), ("b", "c", 3), ("c", "c", 4)])
    networkx.write_graphml(graph, tmp_path / "g.graphml")
    assert alike(read_network(tmp_path / "g.graphml"), want)


def write(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_what_is_wrong_is_named(tmp_path):
    def refused(match: str, text: str, **more: object) -> None:
        with pytest.raises(ValueError, match=match):
            read_network(write(tmp_path, "bad.csv", text), **more)

    refused("-2 in row 1.*layer", "pre,post,weight\n1,2,3\n2,1,-2\n")
    refused("no id in column 'post', row 1", "pre,post,weight\n1,2,3\n2,,2\n")
    refused("no count in column 'weight', row 0", "pre,post,weight\n1,2,\n2,1,2\n")
    refused("'pre' could be pre or source", "pre,source,post\n1,2,3\n")
    refused("'count' could be weight or syn_count", "pre,post,weight,syn_count\n1,2,3,4\n")
    refused("count could be pre_psds or post_tbars", "pre,post,pre_psds,post_tbars\n1,2,3,4\n")
    refused("no column 'n'", "pre,post,weight\n1,2,3\n", columns={"count": "n"})
    refused("is none of pre, post", "pre,post,weight\n1,2,3\n", columns={"weight": "weight"})
    refused("no column for 'post'", "pre,weight\n1,2\n")
    refused("sha256", "pre,post\n1,2\n", sha256="0" * 64)
    refused("EB in CX", "pre,post,roi\n1,2,EB\n2,1,CX\n", parents={"EB": "CX"})
    with pytest.raises(ValueError, match="no such file"):
        read_network(tmp_path / "nowhere.csv")
    with pytest.raises(ValueError, match="not a kind of file"):
        read_network(write(tmp_path, "e.docx", "x"))
    with pytest.raises(ValueError, match="id 7 stands more than once"):
        read_nodes(write(tmp_path, "n.csv", "id,side\n7,L\n7,R\n"))
    digest = hashlib.sha256((tmp_path / "n.csv").read_bytes()).hexdigest()
    with pytest.raises(ValueError, match="more than once"):  # a right checksum lets it be read
        read_nodes(tmp_path / "n.csv", sha256=digest)


def test_whole_and_other_counts():
    ends = [0, 1, 2], [1, 2, 0]
    with pytest.raises(ValueError, match=r"1 rows of float32 from 2\^24"):
        Network.from_edges(*ends, np.array([1, 2**24, 3], np.float32))
    assert Network.from_edges(*ends, np.array([1, 2**24 - 1, 3], np.float32)).total == 2**24 + 3
    weighted = Network.from_edges(*ends, [0.5, 1.0, 2.25])
    assert (weighted.is_counted, weighted.mended.fractional) == (False, 2)
    with pytest.raises(ValueError, match=r"pre: 0.5 in row 1"):
        Network.from_edges([0.0, 0.5, 2.0], [1, 2, 0])
    with pytest.raises(ValueError, match="post: no id in row 1"):
        Network.from_edges(["a", "b"], np.array(["b", None], object))
    with pytest.raises(ValueError, match=r"2\^53"):
        Network.from_edges(np.array([1e17, 0, 2]), [1, 2, 0])


def test_a_threshold_is_of_the_pair():
    network = Network.from_edges([0, 0, 0, 1, 1], [1, 1, 2, 0, 2], [2, 3, 4, 5, 1], site=["a", "b", "a", "a", "a"])
    left = network.at_least(5)
    assert left.total == 10
    assert left.m == 3
    assert (left.mended.below, left.mended.below_count) == (2, 5)
    assert left.total + left.mended.below_count == network.total


def test_public_schemas(tmp_path):
    """FlyWire's and neuPrint's columns, the pair threshold, regions that are kept, a file that is not the published
    one."""
    write(
        tmp_path,
        "edges.csv",
        "pre_root_id,post_root_id,neuropil,syn_count,nt_type\n"
        "720575940600000001,720575940600000002,EB,3,ACH\n"
        "720575940600000001,720575940600000002,PB,2,ACH\n"
        "720575940600000002,720575940600000001,EB,4,GABA\n",
    )
    fly = read_network(tmp_path / "edges.csv", preset="flywire-783")
    assert (fly.total, fly.layer_names, fly.site_names) == (9, ("ACH", "GABA"), ("EB", "PB"))
    assert read_network(tmp_path / "edges.csv", preset="flywire-783", minimum=5).total == 5
    assert projectome(fly).total == fly.total
    write(tmp_path, "traced-neurons.csv", "bodyId,type,instance\n1,EPG,a\n2,,b\n3,EPG,c\n")
    write(
        tmp_path,
        "traced-roi-connections.csv",
        "bodyId_pre,bodyId_post,roi,weight\n1,2,EB,3\n2,3,NotPrimary,4\n2,4,EB,1\n",
    )
    brain = read_network(tmp_path, preset="hemibrain")
    assert brain.nodes.tolist() == [1, 2, 3, 4]
    assert brain.site_names == ("EB", "NotPrimary")
    assert (brain.mended.unmatched, brain.mended.unmatched_count) == (1, 1)
    nodes = read_preset_nodes(tmp_path, "hemibrain")
    regions = nodes.regions("type", brain)
    assert regions.names == ("EPG", "unassigned")
    assert regions.label.tolist() == [0, 1, 0, 1]  # no type; not in the table
    assert block(brain, regions).counts.tolist() == [[0, 3], [4, 1]]
    write(tmp_path, "connections.csv.gz", "no")
    with pytest.raises(ValueError, match="2 bytes, published are 50289304"):
        read_network(tmp_path / "connections.csv.gz", preset="flywire-783")
    with pytest.raises(ValueError, match=r"preset: no 'fly'; there are"):
        read_network(tmp_path, preset="fly")
    with pytest.raises(ValueError, match=r"none of G_edgelist.txt"):
        read_network(tmp_path, preset="larva")


def test_sites_of_two_kinds_are_named(tmp_path):
    """T-bars sent and densities received: columns sum to the T-bars."""
    file = write(tmp_path, "roi.csv", "bodyId,roi,post,pre\n1,EB,30,0\n1,PB,10,4\n2,EB,0,3\n3,,5,0\n")
    found = read_sites(file, id="bodyId", site="roi", received="post", sent="pre")
    assert found.names == ("EB", "PB", "unassigned", "external")
    assert found.counts.tolist() == [[0, 3, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0], [3, 0, 0, 0]]
    assert found.ended.tolist() == [0, 0, 5, 0]
    with pytest.raises(ValueError, match="no column tbars; there are bodyId, roi, post, pre"):
        read_sites(file, id="bodyId", site="roi", received="post", sent="tbars")


def test_a_wrong_checksum_is_refused(tmp_path, monkeypatch):
    file = write(tmp_path, "traced-total-connections.csv", "bodyId_pre,bodyId_post,weight\n1,2,3\n")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    for known, good in ((digest, True), ("0" * 64, False)):
        preset = replace(PRESETS["neuprint-total"], files={file.name: (file.stat().st_size, known)})
        monkeypatch.setitem(presets.PRESETS, "neuprint-total", preset)
        if good:
            assert read_network(file, preset="neuprint-total").total == 3
        else:
            with pytest.raises(ValueError, match=f"{digest}, expected 0000"):
                read_network(file, preset="neuprint-total")


def test_regions_and_shares_from_columns():
    table = NodeTable(
        np.array([11, 12, 13, 14]),
        {
            "EB": np.array([True, False, True, False]),
            "PB": np.array([False, True, True, False]),
            "NO": np.array(["no", "", "false", "yes"], object),
            "axon": np.array([3.0, np.nan, 1.0, 0.0]),
            "dendrite": np.array([1.0, 2.0, 1.0, 0.0]),
        },
    )
    with pytest.raises(ValueError, match=r"EB and PB \(1 nodes\)"):
        table.regions_of(["EB", "PB", "NO"])
    assert table.where(np.array([True, True, False, True])).regions_of(["EB", "PB", "NO"]).label.tolist() == [0, 2, 1]
    network = Network.from_edges([14, 12], [15, 11], nodes=[14, 12])
    shares = table.shares(["axon", "dendrite"], network)  # of 14, 12, 11 (a node of the edges) and 15 (in no table)
    held = [
        dict(zip(shares.region[a:b], shares.share[a:b], strict=True))
        for a, b in zip(shares.starts[:-1], shares.starts[1:], strict=True)
    ]
    assert held == [{2: 65536}, {1: 65536}, {0: 49152, 1: 16384}, {2: 65536}]
    with pytest.raises(ValueError, match="amounts must be numbers"):
        table.shares(["NO"])
    with pytest.raises(ValueError, match="no column 'XY'"):
        table.regions("XY")


def have(package: str) -> bool:
    try:
        metadata.files(package)
    except metadata.PackageNotFoundError:
        return False
    return True


worms = pytest.mark.skipif(
    not (have("cect") and have("connectome-utilities")), reason="pip install --no-deps cect connectome-utilities"
)


@worms
def test_the_adult_worm():
    """Varshney et al. (2011); Towlson et al. (2013); ten ganglia."""
    worm = varshney_worm()
    chemical, gaps = worm.of_layer("chemical"), worm.of_layer("gap junction")
    assert (worm.n, chemical.m, chemical.total) == (279, 2194, 6394)
    itself = gaps.source == gaps.target
    alone = int(gaps.count[itself].sum())
    assert (int(itself.sum()), (gaps.total - alone) // 2 + alone) == (3, 890)
    pairs = np.sort(np.stack([worm.source, worm.target]), axis=0)
    assert np.unique(pairs[:, pairs[0] != pairs[1]], axis=1).shape[1] == 2287
    ganglia = witvliet_nodes().regions("ganglion", chemical)
    assert (ganglia.k, ganglia.sizes[-1]) == (11, 0)
    found = block(chemical, ganglia)
    assert found.total == 6394
    number = {name: place for place, name in enumerate(ganglia.names)}
    for a, b, synapses in (("C", "C", 1070), ("G", "G", 744), ("C", "D", 428)):
        assert found.counts[number[a], number[b]] == synapses


@worms
def test_eight_ages_of_the_worm():
    """Witvliet et al. (2021)."""
    totals = [witvliet_worm(stage).of_layer("chemical").total for stage in range(1, 9)]
    assert totals == [1296, 1895, 2128, 2777, 4116, 4456, 7467, 7970]
    with pytest.raises(ValueError, match="stage: 9"):
        witvliet_worm(9)


def test_a_package_that_is_not_there(monkeypatch):
    def missing(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "files", missing)
    with pytest.raises(ValueError, match="pip install --no-deps cect connectome-utilities"):
        varshney_worm()


@pytest.mark.skipif("KADANOFF_LARVA" not in os.environ, reason="KADANOFF_LARVA names the folder of the larva")
def test_the_larva():
    """Winding et al. (2023) as in Pedigo et al. (2023)."""
    folder = Path(os.environ["KADANOFF_LARVA"])
    whole = read_network(folder / "G_edgelist.txt")
    assert (whole.n, whole.m, whole.total) == (3554, 119_010, 376_091)
    nodes = read_preset_nodes(folder, "larva")
    chosen = nodes.where(nodes.column("selected_lcc").astype(bool))
    inside = IdTable(chosen.ids).find(whole.nodes) >= 0
    part = whole.where(inside[whole.source] & inside[whole.target])
    assert (chosen.n, part.m, part.total) == (2952, 110_677, 352_611)
    senders, receivers = (
        nodes.shares([f"axon_{kind}", f"dendrite_{kind}"], whole, names=("axon", "dendrite"))
        for kind in ("output", "input")
    )
    assert sum(soft_block(whole, senders, receivers).exact.ravel().tolist()) == 376_091 << 32
