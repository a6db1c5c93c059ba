"""The fast loops of networks: arrays in, arrays out."""
