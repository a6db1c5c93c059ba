"""A study: from a TOML file to a folder that holds numbers, figures, a ledger and a verdict.

A kind is a plain function ``(config, run) -> Result``. `execute` reads the configuration, runs the kind and writes the
folder. `Run.stage` is the unit of caching: a killed study goes on with ``resume=True`` and gives the same bits.
"""

from kadanoff.study.configs import ConfigError, InputFile, template
from kadanoff.study.execute import InUse, Stopped, execute
from kadanoff.study.result import Picture, Reported, Result, Slides, Table, Verdict, judge
from kadanoff.study.run import Run

__all__ = [
    "ConfigError",
    "InUse",
    "InputFile",
    "Picture",
    "Reported",
    "Result",
    "Run",
    "Slides",
    "Stopped",
    "Table",
    "Verdict",
    "execute",
    "judge",
    "template",
]
