"""The studies of networks, one file a recipe."""
