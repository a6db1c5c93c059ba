"""The command ``kadanoff``. Whatever is heavy is imported inside the command that needs it: help and list stay
instant."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

__all__ = ["app", "main"]

app = typer.Typer(
    name="kadanoff",
    help="Zoom out of any system, and know what you lost.",
    epilog="First steps: kadanoff list, then kadanoff run water. Your own data: kadanoff new molecules.bottom-up. "
    "Version: kadanoff --version.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Entry point of the command."""
    match sys.argv[1:]:  # answered before typer loads pydantic to parse them
        case ["--version"]:
            from kadanoff import __version__

            print(f"kadanoff {__version__}")
        case ["list"]:
            list_()
        case _:
            app()


def _fail(message: object, code: int = 2) -> NoReturn:
    print(f"kadanoff: {message}", file=sys.stderr)
    raise typer.Exit(code)


def _execute(
    study: str,
    folder: Path,
    *,
    overrides: Sequence[str] = (),
    seed: int,
    workers: str | None,
    resume: bool,
    force: bool,
) -> bool:
    """Run a study and draw its report. False where it stopped, which is then said; exits where it cannot start."""
    from kadanoff.parallel import usable_cores
    from kadanoff.report import build
    from kadanoff.study import Stopped, execute

    if resume and force:
        _fail("--resume goes on and --force starts anew: give one of them")
    stopped = False
    try:
        try:
            execute(
                study,
                folder,
                overrides=overrides,
                seed=seed,
                workers=workers or usable_cores(),
                resume=resume,
                force=force,
                quiet=False,
                command=_command(),
            )
        except Stopped as error:
            print(f"kadanoff: {error}", file=sys.stderr)
            stopped = True
        build(folder)
    except (ValueError, OSError) as error:
        _fail(error, 1 if stopped else 2)
    except KeyboardInterrupt:
        _fail(f"interrupted; finished stages are kept in {folder}, the same command with --resume goes on", 130)
    return not stopped


@app.command("list", short_help="List the studies.")
def list_() -> None:
    """List the studies: field, seconds on two cores, what each shows."""
    from kadanoff.catalogue import KINDS, OWN_DATA, STUDIES

    wide = max(len(study.name) for study in STUDIES)
    for study in STUDIES:
        print(f"{study.name:<{wide}}  {study.field:<9}  {study.seconds:>5} s  {study.line}")
    print("\nRun one: kadanoff run NAME. Your own data: kadanoff new KIND, with KIND one of")
    print("  " + ", ".join(OWN_DATA))
    print("The settings of a study, to change them: kadanoff new KIND, with KIND one of")
    print("  " + ", ".join(sorted(set(KINDS) - set(OWN_DATA))))


_Out = Annotated[
    Path | None, typer.Option("--out", "-o", metavar="DIR", help="Folder for the results; out/NAME by default.")
]
_Seed = Annotated[int, typer.Option("--seed", min=0, metavar="N", help="Seed of every random number.")]
_Workers = Annotated[
    str | None,
    typer.Option(
        "--workers",
        "-w",
        metavar="N",
        help="4 or threads:4, processes:4, dask://host:port; all cores by default. Never changes a number.",
    ),
]
_Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with what is in the folder: finished stages are not computed again.")
]
_Force = Annotated[
    bool, typer.Option("--force", help="Start anew: remove what an earlier run wrote to the folder, no other file.")
]


@app.command(short_help="Run a study: numbers, figures, ledger, report.")
def run(
    study: Annotated[
        str, typer.Argument(metavar="NAME|FILE.toml", help="A study of `kadanoff list`, or your own TOML file.")
    ],
    out: _Out = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Change a setting; dots lead into tables: --set a.b=3. May be repeated."
        ),
    ] = None,
    seed: _Seed = 0,
    workers: _Workers = None,
    resume: _Resume = False,
    force: _Force = False,
) -> None:
    """Run a study, write its numbers, arrays, figures, ledger and report.

    A folder that holds an earlier run is refused unless --resume or --force is given. Exit code 0: it ran to its end
    (read the verdict); 1: it stopped, finished stages are kept; 2: it could not be started as asked.
    """
    from kadanoff.report import summary

    folder = out if out is not None else Path("out") / Path(study).stem
    if not _execute(study, folder, overrides=overrides or [], seed=seed, workers=workers, resume=resume, force=force):
        raise typer.Exit(1)
    print(summary(folder))
    print(f"\nReport: {folder / 'report.html'}")


@app.command(short_help="Draw the report of a folder again.")
def report(folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a study.")]) -> None:
    """Draw report.html again from what is in a study's folder."""
    from kadanoff.report import build

    try:
        print(build(folder))
    except (ValueError, OSError) as error:
        _fail(error)


@app.command(short_help="Write a commented TOML file for your own data.")
def new(
    kind: Annotated[str, typer.Argument(help="A kind of study, such as molecules.bottom-up.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write; KIND.toml by default, - for the screen.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
) -> None:
    """Write a commented TOML file for your own data, ready to be filled in and run."""
    from kadanoff.study import ConfigError, template

    try:
        text = template(kind)
    except ConfigError as error:
        _fail(error)
    path = out if out is not None else Path(f"{kind.partition('.')[2]}.toml")
    if str(path) == "-":
        print(text, end="")
        return
    if path.exists() and not force:
        _fail(f"{path} exists; --force overwrites it, --out names another file")
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        _fail(f"cannot write {path}: {error.strerror}")
    print(f"{path} written. Fill it in, then: kadanoff run {path}")


@app.command(short_help="Run all flagship studies, one index page.")
def atlas(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for all studies and the index page.")] = Path(
        "out/atlas"
    ),
    seed: _Seed = 0,
    workers: _Workers = None,
    resume: _Resume = False,
    force: _Force = False,
) -> None:
    """Run every flagship study, compare with exact or published numbers, write one index page.

    A study whose extra is not installed is left out, and the last lines say so with what installs it. Exit code 1 where
    a study stopped, a verdict is false, a number misses its reference or a theorem is broken.
    """
    from kadanoff.catalogue import STUDIES
    from kadanoff.report import build_index, failures, index_path, summary

    asked = [study for study in STUDIES if study.flagship]
    names = [study.name for study in asked if not _missing(study.needs)]
    try:
        index_path(out)
        for name in names:
            print(f"== {name}", flush=True)
            if _execute(name, out / name, seed=seed, workers=workers, resume=resume, force=force):
                print(summary(out / name), end="\n\n", flush=True)
        print(f"Index: {build_index(out, names)}")
        for study in asked:
            if missing := _missing(study.needs):
                print(f"Left out: {study.name} needs {', '.join(missing)}: {study.install}")
    except (ValueError, OSError) as error:
        _fail(error)
    wrong = {name: failures(out / name) for name in names}
    for name, reasons in wrong.items():
        for reason in reasons:
            print(f"  {name}: {reason}", file=sys.stderr)
    if any(wrong.values()):
        raise typer.Exit(1)


def _missing(needs: tuple[str, ...]) -> list[str]:
    """Of the packages that a study needs, those that are not installed."""
    from importlib import metadata

    def has(name: str) -> bool:
        try:
            metadata.distribution(name)
        except metadata.PackageNotFoundError:
            return False
        return True

    return [name for name in needs if not has(name)]


def _command() -> str:
    import shlex

    arguments: list[Any] = ["kadanoff", *sys.argv[1:]]
    return shlex.join(str(argument) for argument in arguments)
