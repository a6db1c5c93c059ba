"""Property tests draw the same examples on every run, and no deadline fails them on a busy machine."""

from hypothesis import settings

settings.register_profile("kadanoff", derandomize=True, deadline=None)
settings.register_profile("search", max_examples=2000, deadline=None)
settings.load_profile("kadanoff")
