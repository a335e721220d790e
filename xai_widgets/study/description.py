"""What a study asks, as plain data: models, images, tables. Another process reads it and does the same."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from xai_widgets.engine import ModelSource
from xai_widgets.engine.query import one_of
from xai_widgets.images import ImageSet, ImageSource
from xai_widgets.study.files import write_whole
from xai_widgets.study.identity import Look
from xai_widgets.study.parts import digest
from xai_widgets.study.tables import TABLES

FORM = 1


@dataclass(frozen=True)
class AskedModel:
    """One model of a study.

    Attributes:
        runs: by what the rows of each training run are known, see `identity_of`; one for a model without further runs.
        looks: what each training run was seen to be.
        layers: whose feature maps are meant.
        lacking: tables that it has not, and why.
    """

    name: str
    source: Mapping[str, Any] | None
    runs: tuple[str, ...]
    looks: tuple[Look, ...]
    layers: tuple[str, ...]
    lacking: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Description:
    """What is asked.

    Attributes:
        models: by which, in their order.
        set_name: of the images.
        images: how the set is made; None where it is in one process only.
        marks: what each image is, by name: a digest of its content; of all tables what else their rows depend on.
        tables: names, with the options that were chosen.
        part_size: about how many images a part has.
        made: when it was asked last, in seconds since 1970.
        also: further images of the set, which are not asked.
        paths: folders in which modules that make the models were found; other processes look there too.
    """

    models: tuple[AskedModel, ...]
    set_name: str
    images: ImageSource | None
    marks: Mapping[str, Mapping[str, str]]  # image -> table or "" for the content -> digest
    of_set: Mapping[str, str]  # table -> digest of what all its rows depend on
    tables: Mapping[str, Mapping[str, Any]]
    part_size: int
    made: float = field(default_factory=time.time)
    paths: tuple[str, ...] = ()
    also: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The same for the same question, whenever it is asked."""
        marks = [sorted(marks.items()) for marks in self.marks.values()]
        return digest(self._asked(), list(self.marks), marks, list(self.also))

    def mark(self, image: str, table: str) -> str:
        """What the rows of an image in a table are made from, besides model, layer and options."""
        marks = self.marks[image]
        return digest(image, marks[""], marks.get(table, ""))

    def origin(self, table: str, model: AskedModel, run: int, layer: str) -> str:
        """What all rows of a part are made from, besides the images."""
        record = TABLES[table]
        runs = model.runs[run] if record.each_run else list(model.runs)
        return digest(table, record.version, self.tables[table], self.of_set.get(table, ""), runs, layer)

    def _asked(self) -> dict[str, Any]:
        return {
            "form": FORM,
            "models": [asdict(model) for model in self.models],
            "set_name": self.set_name,
            "images": None if self.images is None else self.images.to_data(),
            "of_set": dict(self.of_set),
            "tables": {name: dict(options) for name, options in self.tables.items()},
            "part_size": self.part_size,
        }

    def save(self, folder: Path) -> None:
        """Write it into the folder of a study, under its key, as what was asked last.

        Raises:
            OSError: it cannot be written.
        """
        columns = sorted({column for marks in self.marks.values() for column in marks})
        every = [*self.marks.values(), *({} for _ in self.also)]
        listed = {"image": [*self.marks, *self.also]} | {
            f"mark {column}".strip(): [marks.get(column) for marks in every] for column in columns
        }
        place = folder / "asked"
        key, text = self.key, json.dumps({**self._asked(), "made": self.made, "paths": self.paths}, indent=1)
        if not self._is_there(folder, key):
            write_whole(place / f"{key}.parquet", lambda file: pq.write_table(pa.table(listed), file))
        write_whole(place / f"{key}.json", lambda file: file.write(text.encode()))

    @classmethod
    def _is_there(cls, folder: Path, key: str) -> bool:
        """Whether it was written before, and can be read."""
        try:
            cls.read(folder, key)
        except ValueError:
            return False
        return True

    @classmethod
    def read(cls, folder: Path, key: str) -> Description:
        """What `save` wrote.

        Raises:
            ValueError: it is not there, or is no such file.
        """
        place = folder / "asked"
        try:
            given = json.loads((place / f"{key}.json").read_text("utf-8"))
            listed = pq.read_table(place / f"{key}.parquet").to_pydict()
            found = cls._from(given, listed)
            if found.key != key:
                raise ValueError("it is not what was written")
            return found
        except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
            raise ValueError(
                f"what is asked in {place / key}.json cannot be read ({' '.join(str(error).split())}): plan that study "
                "again, or take the file away."
            ) from None

    @classmethod
    def _from(cls, given: Mapping[str, Any], listed: Mapping[str, Sequence[Any]]) -> Description:
        if given["form"] != FORM:
            raise ValueError(f"its form is {given['form']}, and {FORM} is read")
        for name in given["tables"]:
            one_of("table", name, TABLES)
        columns = {name.removeprefix("mark").strip(): values for name, values in listed.items() if name != "image"}
        marks = {
            image: {column: values[place] for column, values in columns.items() if values[place] is not None}
            for place, image in enumerate(listed["image"])
            if columns[""][place] is not None
        }
        also = tuple(image for place, image in enumerate(listed["image"]) if columns[""][place] is None)
        models = tuple(_model_of(one) for one in given["models"])
        images = None if given["images"] is None else ImageSource.from_data(given["images"])
        return cls(
            models, str(given["set_name"]), images, marks, given["of_set"], given["tables"], int(given["part_size"]),
            float(given["made"]), tuple(given["paths"]), also,
        )  # fmt: skip

    def sources(self) -> list[ModelSource]:
        """How each model is made.

        Raises:
            ValueError: one was built in another process.
        """
        sys.path += [path for path in self.paths if path not in sys.path]
        found = []
        for model in self.models:
            if model.source is None:
                raise ValueError(
                    f"the network of {model.name!r} was built in one process, so that no other one can make it; give "
                    "ModelSource('package.module:callable', weights='file.safetensors', ...) in its place."
                )
            found.append(ModelSource.from_json(json.dumps(dict(model.source))))
        return found

    def image_set(self) -> ImageSet:
        """The images.

        Raises:
            ValueError: they are in another process only, or cannot be found.
        """
        if self.images is None:
            raise ValueError(
                f"the images of {self.set_name!r} are in one process only, so that no other one can read them; give a "
                "folder, a list of files or a table of files."
            )
        return self.images.load()


def paths_of(sources: Iterable[ModelSource | None]) -> tuple[str, ...]:
    """The folders of modules that make models here, without those of installed packages."""
    named = [(one.make, one.output, one.patch_scores, one.transform) for one in sources if one is not None]
    names = [name for some in named for part in some for name in ([part] if isinstance(part, str) else part or ())]
    found: list[str] = []
    for name in names:
        module = sys.modules.get(str(name).partition(":")[0].partition(".")[0])
        file = getattr(module, "__file__", None)
        if ":" in str(name) and file is not None:
            place = Path(file).absolute().parent
            found.append(str(place.parent if Path(file).stem == "__init__" else place))
    return tuple(path for path in dict.fromkeys(found) if not path.endswith(("site-packages", "dist-packages")))


def _model_of(given: Mapping[str, Any]) -> AskedModel:
    looks = tuple(Look(one["made"], tuple(one["eaten"]), tuple(one["said"])) for one in given["looks"])
    runs, layers = tuple(given["runs"]), tuple(given["layers"])
    return AskedModel(given["name"], given["source"], runs, looks, layers, given["lacking"])


def all_asked(folder: Path, *, broken: bool = False) -> Iterator[Description]:
    """Everything that was asked in a folder, the newest last.

    Args:
        broken: whether what cannot be read is passed over, as by a study that is about to write it anew.

    Raises:
        ValueError: something of it cannot be read.
    """
    keys = [path.stem for path in (folder / "asked").glob("*.json")]
    found = []
    for key in keys:
        try:
            found.append(Description.read(folder, key))
        except ValueError:
            if not broken:
                raise
    yield from sorted(found, key=lambda one: (one.made, one.key))
