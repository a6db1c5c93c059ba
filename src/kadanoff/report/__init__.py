"""Pages from folders: report.html of a study and the index of an atlas, made from the files in DIR and nothing else."""

from kadanoff.report.pages import build, build_index, index_path
from kadanoff.report.reading import failures, summary

__all__ = ["build", "build_index", "failures", "index_path", "summary"]
