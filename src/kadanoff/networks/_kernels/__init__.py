"""Fast loops of networks: arrays in, arrays out."""
