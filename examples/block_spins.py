"""How many nats of a block of four Ising spins survive when one spin stands for it, exactly, over all 65,536 states."""

# --8<-- [start:body]
from kadanoff.lattices import bond_sum, channel, enumerate_states, information, spin_states

bonds = bond_sum(spin_states(16), (4, 4))
majority = channel((4, 4), 2, "coin")  # P(block spins | spins); a tied block tosses a coin
states = enumerate_states(bonds, majority)

print("   K    H(s)   kept   lost   nats per block of 2 x 2")
for coupling in (0.0, 0.2, 0.4406868, 0.8):
    block = information(states, coupling, 4)
    print(f"{coupling:5.2f} {block.fine:6.3f} {block.kept:6.3f} {block.lost:6.3f}")
# --8<-- [end:body]
