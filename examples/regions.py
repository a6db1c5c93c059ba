"""From a table of connections to a network of regions: every synapse accounted for, error bars, and the price."""

# --8<-- [start:body]
from importlib.resources import files

from kadanoff.networks import (
    Network,
    Regions,
    block,
    block_errors,
    find_highways,
    ledger_of,
    lumpability_defect,
    post_shares,
    pre_shares,
    projectome,
    shared_information,
    soft_block,
)  # fmt: skip
from kadanoff.networks.tables import read_network, read_nodes

data = files("kadanoff.networks") / "data" / "connectome"  # your own: two paths
neurons = read_nodes(data / "neurons.csv.gz", "id")
network: Network = read_network(data / "edges.csv.gz", nodes=neurons)  # columns are found by their names, or named
regions: Regions = neurons.regions("region", network)  # neurons without a label are unassigned, never dropped
print(network, network.mended)

made = block(network, regions)  # map one: each neuron in one region
print(f"{made.total} of {network.total} synapses in {made.k - 1} regions and {made.names[-1]}")

errors = block_errors(
    network, regions, unit="neuron"
)  # other neurons of the same regions; "synapse": the same ones again
a, b = regions.names.index("relay L"), regions.names.index("hub L")
print(f"relay L to hub L: {made.counts[a, b]} +- {errors.error[a, b]:.0f}; {errors.meaning}")
print("stronger than chance:", find_highways(network, regions, seed=1, replicas=100).found()[:3])

for kind, coarse, shares in (  # the two other maps: other questions, the same synapses
    ("soft block", soft_block(network, pre_shares(network), post_shares(network)), pre_shares(network)),
    ("projectome", projectome(network), None),
):
    post = None if shares is None else post_shares(network)
    ledger_of(network, shares, coarse, post=post).verify()  # raises where a synapse were lost
    print(f"{kind}: {coarse.total:.0f} synapses")

ledger = ledger_of(network, regions, made)  # what was lost
ledger.verify()
print(f"wiring forgotten: {ledger['wiring'].lost.value:.2f} nats for each synapse")
chance = regions.shuffled(seed=1)  # always beside random regions of the same sizes
for name, one in (("these regions", regions), ("random ones", chance)):
    kept = shared_information(block(network, one).counts) / shared_information(network)
    print(
        f"{name}: {100 * kept:.1f} % of the information kept, lumpability defect {lumpability_defect(network, one):.2f}"
    )
# --8<-- [end:body]
