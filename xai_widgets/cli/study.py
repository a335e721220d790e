"""`xai-widgets study`: the same questions of many images and models, on one machine or in a job array."""

from __future__ import annotations

import json
import os
import runpy
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from xai_widgets.study import Status, Study

app = typer.Typer(help=__doc__, no_args_is_help=True)
Folder = Annotated[Path, typer.Argument(help="The folder of the study.", show_default=False)]
SHOWN = 10  # failures that are printed


@app.command()
def plan(
    folder: Folder,
    images: Annotated[str, typer.Option(help="A folder, a table of files, or the name of a bundled set.")],
    model: Annotated[
        list[str] | None,
        typer.Option(help="A name such as resnet18, or package.module:callable; more than once for several."),
    ] = None,
    models: Annotated[
        Path | None,
        typer.Option(help="A JSON file with a list of what ModelSource takes, or a Python file that defines `models`."),
    ] = None,
    weights: Annotated[str | None, typer.Option(help="Of the one model: a file, or what torchvision names.")] = None,
    transform: Annotated[str | None, typer.Option(help="Of the one model: package.module:name, or none.")] = None,
    set_name: Annotated[str | None, typer.Option(help="What the set of images is called in the tables.")] = None,
    table: Annotated[
        list[str] | None, typer.Option(help="Such as scores, or impacts:baseline=mean; more than once for several.")
    ] = None,
    layer: Annotated[list[str] | None, typer.Option(help="Whose feature maps are meant; the model's own.")] = None,
    part_size: Annotated[int | None, typer.Option(help="About how many images are made and written together.")] = None,
) -> None:
    """Write down what is asked of which models and images: weights and files as they are now."""
    with _in_a_sentence():
        from xai_widgets.images import ImageSet
        from xai_widgets.study import Study

        options: dict[str, Any] = {"tables": _tables(table)} if table else {}
        options |= {} if part_size is None else {"part_size": part_size}
        asked = _models(model or [], models, weights, transform)
        named = images if set_name is None else ImageSet(images, name=set_name)
        study = Study(folder, asked, named, layers=layer or None, **options)
        tasks = study.plan()
        typer.echo(f"{tasks:,} tasks; {study.status()}")
        _notices(study)


@app.command()
def run(
    folder: Folder,
    shard: Annotated[str | None, typer.Option(help="Such as 3/8: the third of eight jobs that share the work.")] = None,
    processes: Annotated[int | None, typer.Option(min=1, help="So many processes of this machine.")] = None,
    progress: Annotated[bool, typer.Option(help="Show how far it is, and the remaining time.")] = True,
) -> None:
    """Make what is missing, and write the tables. It may be stopped at any time, and goes on where it was."""
    with _in_a_sentence():
        from xai_widgets.study import Study
        from xai_widgets.study.pool import processes as pool

        study = Study(folder)
        with nullcontext(None) if processes is None else pool(processes) as executor:
            status = study.run(executor=executor, shard=shard, progress=progress)
        _tell(status, "" if shard is None else f"Shard {shard}: ")


@app.command()
def status(folder: Folder) -> None:
    """Say how far it is, and which images failed and why."""
    with _in_a_sentence():
        from xai_widgets.study import Study

        study = Study(folder)
        _notices(study)
        _tell(study.status())


@app.command()
def tables(folder: Folder) -> None:
    """Write the tables from all that is there, as after the last job of an array."""
    with _in_a_sentence():
        from xai_widgets.study import Study

        study = Study(folder)
        found = study.write_tables()
        for path in sorted((study.folder / "tables").glob("*.parquet")):
            typer.echo(f"{path}")
        _tell(found)


@contextmanager
def _in_a_sentence() -> Iterator[None]:
    """A block in which modules of the present folder are found, and whose errors are sentences.

    Raises:
        Exit: with 1 where it was stopped or cannot go on, with 2 for what was wrong in the command.
    """
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.insert(0, os.getcwd())  # where `python -m` finds them too
    from xai_widgets.study import CannotGoOn

    try:
        yield
    except typer.Exit:
        raise
    except CannotGoOn as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        typer.echo("Stopped. What is done is kept: run it again, and it goes on.", err=True)
        raise typer.Exit(1) from None
    except (ValueError, TypeError, RuntimeError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None


def _tell(status: Status, of: str = "") -> None:
    """Say how far it is; an exit with 1 where it is not finished."""
    typer.echo(f"{of}{status}")
    failed = [(table, image, why) for table, images in status.failed.items() for image, why in images.items()]
    for table, image, why in failed[:SHOWN]:
        typer.echo(f"  {table}, {image}: {why}")
    if len(failed) > SHOWN:
        typer.echo(f"  and {len(failed) - SHOWN:,} more, all in the table failures")
    if not status.finished:
        raise typer.Exit(1)


def _notices(study: Study) -> None:
    for notice in study.notices:
        typer.echo(notice)


def _models(names: Sequence[str], file: Path | None, weights: str | None, transform: str | None) -> list[Any]:
    from xai_widgets.models import ModelSource

    if (weights is not None or transform is not None) and len(names) != 1:
        raise ValueError("--weights and --transform are of one --model; several with weights stand in --models.")
    if not names and file is None:
        raise ValueError("a study needs a model: --model with a name, or --models with a file.")
    given: dict[str, Any] = {} if transform is None else {"transform": None if transform == "none" else transform}
    found: list[Any] = [ModelSource(name, weights, **given) for name in names]
    return found if file is None else found + _models_in(file)


def _models_in(file: Path) -> list[Any]:
    """Models of a JSON file, or those that a Python file defines."""
    from xai_widgets.models import ModelSource

    try:
        if file.suffix == ".py":
            return _listed(file, _defined_in(file))
        listed = _listed(file, json.loads(file.read_text("utf-8")))
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror or error}.") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{file} is not JSON: {error}.") from None
    return [ModelSource(one) if isinstance(one, str) else ModelSource.from_json(json.dumps(one)) for one in listed]


def _defined_in(file: Path) -> Any:
    """What a Python file calls `models`; whatever goes wrong in it is one sentence."""
    try:
        return runpy.run_path(str(file)).get("models")
    except OSError:
        raise
    except Exception as error:
        said = " ".join(str(error).split())
        raise ValueError(f"{file} ended with {type(error).__name__}: {said}") from error


def _listed(file: Path, given: Any) -> list[Any]:
    if not isinstance(given, list | tuple):
        raise ValueError(f"{file} must hold `models` as a list, got {type(given).__name__}.")
    return list(given)


def _tables(given: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Tables with their options, as in impacts:baseline=mean,steps=3."""
    found: dict[str, dict[str, Any]] = {}
    for one in given:
        name, _, options = one.partition(":")
        if name in found:
            raise ValueError(f"the table {name} is asked twice: ask for it once in each study of the folder.")
        pairs = [pair.partition("=") for pair in options.split(",") if pair]
        if not all(equal and value for _, equal, value in pairs):
            raise ValueError(f"options of a table are given as in impacts:baseline=mean, got {one!r}.")
        found[name] = {key: _value(value) for key, _, value in pairs}
    return found


def _value(text: str) -> Any:
    """A number or a switch, else the text itself."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
