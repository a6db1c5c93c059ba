"""From a name or a TOML file to a checked configuration; errors name the key and the nearest right one."""

from __future__ import annotations

import difflib
import importlib
import inspect
import re
import tomllib
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ValidationError, ValidationInfo
from pydantic.fields import FieldInfo

from kadanoff.catalogue import KINDS, STUDIES
from kadanoff.units import Quantity

__all__ = ["ConfigError", "InputFile", "Loaded", "input_files", "kind_function", "load", "template"]


_BRANCH = re.compile(r"(literal|function-[a-z]+)\[")
"""How pydantic names one choice of a union in the place of an error: no key of the user's."""


class ConfigError(ValueError):
    """The request cannot be run as it stands: the message says which name, key or file, and what to do."""


def _existing(value: Any, info: ValidationInfo) -> Path:
    if not isinstance(value, str | Path):
        raise ValueError(f"{value!r} is not a file name")
    path = Path(value).expanduser()
    folder = Path((info.context or {}).get("folder", "."))
    for candidate in (folder / path, path):
        if candidate.is_file():
            return candidate
        if candidate.is_dir():
            raise ValueError(f"{str(value)!r} is a folder, and a file is needed")
    where = "" if path.is_absolute() else f" (looked in {folder.resolve()} and in the current folder)"
    raise ValueError(f"no such file: {str(value)!r}{where}")


InputFile = Annotated[Path, BeforeValidator(_existing)]
"""A file that must exist, named relative to the TOML file (or to the current folder); hashed into the provenance."""


@dataclass(frozen=True)
class Loaded:
    """What is about to run: the study's name, its kind, the kind's function, the checked configuration."""

    study: str
    kind: str
    function: Callable[..., Any]
    config: BaseModel


def kind_function(kind: str) -> Callable[..., Any]:
    """The function of a kind. Raises ConfigError for an unknown one."""
    if kind not in KINDS:
        raise ConfigError(f"unknown kind {kind!r}{_nearest(kind, KINDS)} Kinds: {', '.join(KINDS)}")
    module, _, name = KINDS[kind].partition(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function


def config_model(function: Callable[..., Any]) -> type[BaseModel]:
    """The pydantic model that annotates the first parameter of a kind."""
    first = next(iter(inspect.signature(function).parameters.values()))
    model = first.annotation
    if isinstance(model, str):
        model = getattr(function, "__globals__", {}).get(model)
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise TypeError(f"the first parameter of {function.__qualname__} must be annotated with its pydantic model")
    return model


def load(target: str, overrides: Sequence[str] = ()) -> Loaded:
    """Find a study by name or read a TOML file, apply ``key=value`` overrides, check.

    ``target`` is a study of the catalogue or a path. An override is ``key=value`` with dots between the keys of nested
    tables; the value is read as TOML and, where it is none, as text. Raises ConfigError with every problem on its own
    line.
    """
    path, name = _locate(target)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path.name} is not valid TOML: {error}") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    for override in overrides:
        _override(table, override)
    kind = table.pop("kind", None)
    if not isinstance(kind, str):
        raise ConfigError(
            f'{path.name}: the key "kind" is missing; put one on top, such as kind = "molecules.bottom-up"'
        )
    function = kind_function(kind)
    model = config_model(function)
    try:
        config = model.model_validate(table, context={"folder": path.parent})
    except ValidationError as error:
        problems = "\n".join(f"  {line}" for line in _problems(error, model))
        raise ConfigError(f"{path.name} cannot be run:\n{problems}") from error
    return Loaded(name, kind, function, config)


def _locate(target: str) -> tuple[Path, str]:
    known = {study.name: study for study in STUDIES}
    if target in known:
        study = known[target]
        return Path(__file__).resolve().parents[1] / study.field / "data" / f"{study.name}.toml", study.name
    path = Path(target)
    if path.is_dir():
        raise ConfigError(f"{target} is a folder; name a study of `kadanoff list` or a TOML file")
    if path.suffix == ".toml" or path.is_file():
        if not path.is_file():
            raise ConfigError(f"no such file: {target}")
        return path, path.stem
    if target in KINDS:
        raise ConfigError(f"{target} is a kind; `kadanoff new {target}` writes a TOML file to fill in and run")
    raise ConfigError(
        f"unknown study {target!r}{_nearest(target, known)} `kadanoff list` shows all, a file of your own ends in .toml"
    )


def _override(table: dict[str, Any], override: str) -> None:
    dotted, equals, text = override.partition("=")
    keys = [key.strip() for key in dotted.split(".")]
    if not equals or not all(keys):
        raise ConfigError(f"--set {override}: write it as key=value, or table.key=value")
    if keys == ["kind"]:
        raise ConfigError("--set cannot change the kind; write a TOML file instead")
    try:
        parsed = tomllib.loads(f"value = {text}")
        value = parsed["value"] if set(parsed) == {"value"} else text
    except tomllib.TOMLDecodeError:
        value = text.strip()
    for key in keys[:-1]:
        inner = table.setdefault(key, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"--set {override}: {key!r} is a value, not a table")
        table = inner
    table[keys[-1]] = value


def _nearest(word: str, words: Mapping[str, Any] | Sequence[str]) -> str:
    match = difflib.get_close_matches(word, list(words), n=1, cutoff=0.4)
    return f"; did you mean {match[0]!r}?" if match else "."


def _problems(error: ValidationError, model: type[BaseModel]) -> Iterator[str]:
    for item in error.errors(include_url=False):
        keys = [str(part) for part in item["loc"] if not _BRANCH.match(str(part))]
        where = ".".join(keys) or "the settings"
        if item["type"] == "extra_forbidden":
            names = _keys_at(model, keys[:-1])
            hint = _nearest(keys[-1], names)
            hint = hint if hint != "." else f"; known keys: {', '.join(names)}" if names else ""
            yield f"{where}: unknown key{hint}"
        elif item["type"] == "missing":
            yield f"{where}: this key is missing"
        else:
            message = item["msg"].removeprefix("Value error, ")
            given = (
                ""
                if not keys or repr(item["input"]) in message or len(repr(item["input"])) > 60
                else f" (it is {item['input']!r})"
            )
            yield f"{where}: {message[:1].lower() + message[1:]}{given}"


def _keys_at(model: type[BaseModel], keys: Sequence[str]) -> list[str]:
    """Names of the fields where a chain of keys leads; empty where it leads to no model."""
    here: Any = model
    for key in keys:
        candidates = list(_models(here))
        if isinstance(here, type) and issubclass(here, BaseModel):
            here = here.model_fields[key].annotation if key in here.model_fields else None
        elif candidates:  # the key of a dictionary, the index of a list, or the tag of a union
            here = (
                candidates[0]
                if len(candidates) == 1
                else next((c for c in candidates if c.__name__ == key), candidates[0])
            )
    return [name for found in _models(here) for name in found.model_fields]


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and not get_args(annotation) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in (Union, types.UnionType, list, tuple, dict, Mapping, Annotated):
        for part in get_args(annotation):
            yield from _models(part)


def input_files(config: BaseModel) -> list[Path]:
    """Every existing file that a configuration names by a ``Path``, in order."""

    def walk(value: Any) -> Iterator[Path]:
        if isinstance(value, Path):
            if value.is_file():
                yield value
        elif isinstance(value, BaseModel):
            for name in type(value).model_fields:
                yield from walk(getattr(value, name))
        elif isinstance(value, Mapping):
            for item in value.values():
                yield from walk(item)
        elif isinstance(value, list | tuple):
            for item in value:
                yield from walk(item)

    return list(dict.fromkeys(walk(config)))


# --- templates ----------------------------------------------------------------


def template(kind: str) -> str:
    """A commented TOML file for a kind, made from the descriptions in its configuration model.

    A key without default stands ready to be filled in (with the first of its ``examples``); the others show their
    default.
    """
    function = kind_function(kind)
    model = config_model(function)
    says = (inspect.getdoc(function) or "").split("\n\n")[0].replace("\n", " ")
    lines = [f"# {kind}: {says}", "#", "# Run it with: kadanoff run THIS-FILE.toml --out FOLDER"]
    lines += [
        '# A quantity is a number in the unit shown in brackets, or text with its own unit, such as "9 angstrom".',
        "",
    ]
    lines += [f"kind = {_toml(kind)}", ""]
    return "\n".join([*lines, *_section(model, "")]).rstrip() + "\n"


def _section(model: type[BaseModel], prefix: str) -> list[str]:
    lines: list[str] = []
    tables: list[str] = []
    for name, info in model.model_fields.items():
        inner = list(_models(info.annotation))
        required = info.is_required()
        if len(inner) == 1 and info.annotation is inner[0]:  # a table of known keys
            tables += ["", *_comment(info), f"[{prefix}{name}]", *_section(inner[0], f"{prefix}{name}.")]
            continue
        value = _example(info) if required else info.get_default(call_default_factory=True)
        if isinstance(value, BaseModel):
            value = value.model_dump(mode="json", exclude_none=True)
        if isinstance(value, Mapping) and value:  # tables that the user names
            for key, item in value.items():
                rows = item if isinstance(item, Mapping) else {}
                tables += [
                    "",
                    *_comment(info),
                    f"[{prefix}{name}.{key}]" if rows else f"{prefix}{name}.{key} = {_toml(item)}",
                ]
                tables += [f"{row} = {_toml(content)}" for row, content in rows.items()]
            continue
        lines += _comment(info)
        if value is None or value == {}:
            example = info.examples[0] if info.examples else value
            lines.append(f"# {name} = {'...' if example is None else _toml(example)}")
        else:
            lines.append(f"{name} = {_toml(value)}")
    return lines + tables


def _example(info: FieldInfo) -> Any:
    return info.examples[0] if info.examples else "FILL IN"


def _comment(info: FieldInfo) -> list[str]:
    units = [item.unit for item in info.metadata if isinstance(item, Quantity)]
    if not units:  # an optional quantity carries its unit one level down
        units = [
            item.unit for part in get_args(info.annotation) for item in get_args(part) if isinstance(item, Quantity)
        ]
    text = (info.description or "").strip() + (f" [{units[0]}]" if units else "")
    return [f"# {line}" for line in text.splitlines()] if text else []


def _toml(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case list() | tuple():
            return "[" + ", ".join(_toml(item) for item in value) + "]"
        case Mapping():
            inside = ", ".join(f"{key} = {_toml(item)}" for key, item in value.items())
            return f"{{ {inside} }}" if inside else "{}"
        case _:
            import json

            return json.dumps(str(value), ensure_ascii=False)
