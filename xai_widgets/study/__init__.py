"""Studies: the same questions of many images and models, as tables. What is done is never done again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xai_widgets.engine import SetAnswers, Sources, Stopped
from xai_widgets.engine.query import one_of
from xai_widgets.engine.sources import Models
from xai_widgets.images import ImageSet
from xai_widgets.study import assembled, running
from xai_widgets.study.arguments import Layers, Tables, layers_of, listed, shard_of, tables_of
from xai_widgets.study.current import KNOWN, Current
from xai_widgets.study.description import AskedModel, Description, all_asked, paths_of
from xai_widgets.study.files import alone, clear_up
from xai_widgets.study.identity import Look, from_anywhere, identity_of, look_at
from xai_widgets.study.parts import digest
from xai_widgets.study.plan import Plan
from xai_widgets.study.running import Submits, Tally, interruptible
from xai_widgets.study.shown import Status, share_of, shown_as, status_of
from xai_widgets.study.tables import TABLES
from xai_widgets.study.tables.scores import known_of
from xai_widgets.study.work import CannotGoOn, Work, content_of, no_place, sources_for

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CannotGoOn", "Status", "Study"]

PART_SIZE = 64


class Study:
    """Models x images -> tables, in a folder. What was asked there before and is there already is not made again.

    Args:
        folder: of the study; made where there is none. Several studies may share one.
        models: ImageModels, ModelSources or names for `load_model`; another process can make the last two only. Left
            out, the study is what was asked in the folder before.
        images: a set, or what `ImageSet` and `load_images` take.
        tables: names in `study.tables.TABLES`, or a mapping from names to their options, such as
            {"scores": {}, "impacts": {"baseline": "mean"}}.
        layers: whose feature maps are meant, for all models or by the name of each; one, or several in a list; by
            default each model's own.
        only: the name of the one image that is meant, or names of several; all of the set, if left out.
        part_size: about how many images are made and written together.

    Raises:
        ValueError: there is nothing in the folder and no model is given; an unknown table, option, model or layer.
    """

    def __init__(
        self,
        folder: str | PathLike[str],
        models: Models | None = None,
        images: Any = None,
        tables: Tables = ("scores", "impacts", "activations"),
        *,
        layers: Layers = None,
        only: str | Sequence[str] | None = None,
        part_size: int = PART_SIZE,
    ) -> None:
        self.folder = Path(folder).expanduser().absolute()
        self._stopped = threading.Event()
        self._sources: Sources | None = None
        self._read: Sources | None = None  # of a study that was opened
        self._asked: Description | None = None
        if models is None:
            if not any(all_asked(self.folder)):
                raise ValueError(f"there is no study in {self.folder}: give models and images.")
            return
        if images is None:
            raise ValueError("a study needs images: a folder, files, a table, or the name of a bundled set.")
        if isinstance(part_size, bool) or not isinstance(part_size, int) or part_size < 1:
            raise ValueError(f"part_size must be a whole number of at least 1, got {part_size!r}.")
        self._options = tables_of(tables)
        self._part_size = part_size
        self._sources = sources_for(models, images)
        self._layers = layers_of(layers, self._sources.given_names)
        there = self._sources.images.names
        self._only = there if only is None else tuple(one_of("image", name, there) for name in listed("only", only))
        if not self._only:
            raise ValueError("a study needs at least one image, got none in only=.")

    def __repr__(self) -> str:
        return f"<Study {self.folder.name!r}: {', '.join(self.models)}>"

    # ------------------------------------------------------------------ what is asked

    def plan(self) -> int:
        """Write down what is asked: weights and files as they are now. Returns how many tasks there are.

        Files and weights that change afterwards are noticed when their rows are made.

        Raises:
            ValueError: a model cannot be loaded, or has not the layer.
            CannotGoOn: the folder cannot be written to.
        """
        return sum(len(Plan(self.folder, asked).tasks) for asked in self._planned(anew=True))

    def _planned(self, *, anew: bool = False, since: float = 0.0) -> list[Description]:
        """What this study asks; of one that was opened, all that was asked in its folder.

        Args:
            since: what was asked before this time is asked again.
        """
        if self._sources is None:
            return list(all_asked(self.folder))
        before = None if anew else self._asked
        self._asked = before or self._described(self._sources)
        if before is None or before.made < since:
            self._asked = replace(self._asked, made=time.time())
            try:
                self._asked.save(self.folder)
            except OSError as error:
                raise CannotGoOn(f"the folder of the study, {self.folder}, {no_place(error)}.") from error
        return [self._asked]

    def _described(self, sources: Sources) -> Description:
        images, only = sources.images, set(self._only)
        before = [pair for asked in all_asked(self.folder, broken=True) for one in asked.models
                  for pair in zip(one.looks, one.runs, strict=True)]  # fmt: skip
        return Description(
            models=tuple(self._asked_model(sources, name, before) for name in sources.given_names),
            set_name=images.name,
            images=images.source,
            marks={image: self._marks(images, image) for image in self._only},
            also=tuple(image for image in images.names if image not in only),
            of_set={name: digest(TABLES[name].of_set(images, chosen)) for name, chosen in self._options.items()},
            tables=self._options,
            part_size=self._part_size,
            paths=paths_of(sources.portable_of(name) for name in sources.given_names),
        )

    def _asked_model(self, sources: Sources, name: str, before: Sequence[tuple[Look, str]]) -> AskedModel:
        model, source = sources.model(name), sources.portable_of(name)
        named = tuple(dict.fromkeys(model.layer_named(layer) for layer in self._layers.get(name) or (model.layer,)))
        lacking = {
            table: said
            for table, chosen in self._options.items()
            if (said := TABLES[table].lacking(model, sources.images, chosen))
        }
        plain = None if source is None else asdict(from_anywhere(source))
        looks = tuple(look_at(run, source) for run in model.runs)
        return AskedModel(name, plain, tuple(identity_of(look, before) for look in looks), looks, named, lacking)

    def _marks(self, images: ImageSet, image: str) -> dict[str, str]:
        try:
            content = content_of(images, image)
        except ValueError:
            content = ""  # said when its turn comes
        facts = {name: TABLES[name].facts(images, image, chosen) for name, chosen in self._options.items()}
        facts[KNOWN] = known_of(images, image, {})
        return {"": content} | {name: digest(known) for name, known in facts.items()}

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models that are asked."""
        if self._sources is not None:
            return self._sources.given_names
        return tuple(dict.fromkeys(model.name for asked in all_asked(self.folder) for model in asked.models))

    @property
    def notices(self) -> tuple[str, ...]:
        """Tables that a model has not, and why; images of an earlier set of the same name that count no more."""
        lacking = [
            f"{model.name}, {table}: {said}" for asked in self._planned() for model in asked.models
            for table, said in model.lacking.items()
        ]  # fmt: skip
        current = Current(list(all_asked(self.folder)))
        gone = [
            f"{count:,} images that were asked here before are not in the set {name!r} any more, nor in its tables; "
            "give the set another name= to have both."
            for name, count in current.left_out().items()
        ]
        old = [
            f"the ratings or labels of {count:,} images were changed after the table {table} was asked, which has no "
            "rows of them now: ask it again."
            for table in TABLES
            if (count := current.outdated(table))
        ]
        return (*lacking, *gone, *old)

    @property
    def sources(self) -> Sources:
        """Models and images; of a study that was opened those of the set that was asked last.

        Raises:
            ValueError: they were in another process only.
        """
        if self._sources is None:
            if self._read is None:
                asked = self._of_set()
                models = {source.name: source for one in asked for source in one.sources()}
                self._read = Sources(list(models.values()), asked[-1].image_set())
            return self._read
        return self._sources

    def _of_set(self) -> list[Description]:
        """What was asked of the set that is meant, the newest last."""
        asked = list(all_asked(self.folder))
        name = asked[-1].set_name if self._sources is None and asked else ""
        name = name if self._sources is None else self._sources.images.name
        return [one for one in asked if one.set_name == name]

    # ------------------------------------------------------------------ who makes it

    def run(
        self,
        *,
        executor: Submits | None = None,
        shard: tuple[int, int] | str | None = None,
        progress: bool | Callable[[Tally], None] = True,
        tables: bool = True,
    ) -> Status:
        """Make what is missing. An interrupt, or `cancel` on another thread, stops it between two batches.

        Args:
            executor: anything with `submit`: `study.pool.processes`, a client of dask's, submitit; by default this
                process, where a session is open on its engine after all else.
            shard: such as "3/8": the third of eight jobs that share the work and know nothing of each other.
            progress: a bar with the remaining time, or a function that is called with a `Tally`.
            tables: whether the tables are written at the end; of a shard they are not.

        Returns:
            How far all that was asked in the folder is; of a shard, how far its share is.

        Raises:
            KeyboardInterrupt: after an interrupt.
            CannotGoOn: in one sentence, what stops it: a full disk, a process that was killed. What is done is kept.
            ValueError: another shard; a model or images that other processes cannot make; a pool of forked processes.
            TypeError: an executor without `submit`.
        """
        if executor is not None:
            running.check_executor(executor)
        self._stopped.clear()
        begun = time.time()
        share = None if shard is None else shard_of(shard)
        clear_up(self.folder)
        for _ in range(2):  # parts that turn out to be corrupt when the tables are written are made again
            planned = self._planned(since=begun)
            with interruptible(self._stopped):
                tallies = self._make(planned, executor, share, progress)
            if share is not None:
                return share_of(tallies)
            status = self.write_tables() if tables else self.status()
            if not (tables and status.corrupt) or self._stopped.is_set():
                break
        return status

    def _make(
        self,
        planned: list[Description],
        executor: Submits | None,
        share: tuple[int, int] | None,
        progress: bool | Callable[[Tally], None],
    ) -> list[Tally]:
        current, tallies = Current(planned), []
        for asked in planned:
            work = self._work(asked, elsewhere=executor is not None)
            tasks = work.plan.tasks if share is None else work.plan.shard(*share)
            tasks = tuple(task for task in tasks if current.wants(asked, task))
            tallies.append(tally := Tally(sum(map(running.size_of, tasks))))
            with shown_as(progress, tally) as show, suppress(Stopped):
                if executor is None:
                    running.run_here(work, tasks, tally, show, self._stopped.is_set)
                else:
                    left = [task for task in tasks if work.left(task)]
                    tally.done += tally.total - sum(map(running.size_of, left))
                    running.run_elsewhere(executor, work, left, tally, show, self._stopped.is_set)
        return tallies

    def _work(self, asked: Description, *, elsewhere: bool) -> Work:
        if elsewhere or self._sources is None:
            sources = sources_for(asked.sources(), asked.image_set())  # refused here and not in each process
            return Work(self.folder, asked, sources)
        return Work(self.folder, asked, self._sources)

    def cancel(self) -> None:
        """Stop `run`, from another thread, between two batches. What is done is kept."""
        self._stopped.set()

    # ------------------------------------------------------------------ what came out

    def status(self) -> Status:
        """How far it is; of all that was asked in the folder."""
        return status_of(assembled.contents_of(self.folder, list(all_asked(self.folder))))

    def write_tables(self) -> Status:
        """Write all tables of the folder from the parts that are there, as `tables/<name>.parquet`, and a README.

        Raises:
            CannotGoOn: the folder is full or cannot be written to; older tables stay.
        """
        try:
            with alone(self.folder):  # of two studies the one that is done last has all parts
                return status_of(assembled.assemble(self.folder, list(all_asked(self.folder))))
        except OSError as error:
            raise CannotGoOn(
                f"the tables of {self.folder} could not be written, since it {no_place(error)}. The parts are kept: "
                "run the study again when there is space."
            ) from error

    def table(self, name: str) -> pd.DataFrame:
        """A table of the folder, as it was written last.

        Raises:
            ValueError: there is none of that name.
        """
        import pandas as pd

        there = {path.stem: path for path in sorted((self.folder / "tables").glob("*.parquet"))}
        return pd.read_parquet(there[one_of("table", name, there)])

    def unlike(self, model: str, run: int = 0) -> str:
        """Why what the tables say is not of the model as it is now, in a sentence; empty where it is."""
        known = self._asked_last(model)
        if known is None:
            return ""
        here = self.sources.model(model)
        there = run < min(len(known.runs), len(here.runs))
        if there and look_at(here.runs[run], self.sources.portable_of(model)).like(known.looks[run]):
            return ""
        said = "are not those of the study, or are used otherwise: run it again."
        return f"the weights of {model}, training run {run}, {said}"

    def _asked_last(self, model: str) -> AskedModel | None:
        """A model as it was asked last of the set."""
        found = [known for one in self._of_set() for known in one.models if known.name == model]
        return found[-1] if found else None

    def replaced(self, images: Sequence[str]) -> dict[str, str]:
        """Images that are not as they were asked last, by name, each with a sentence."""
        planned = {image: marks for one in self._of_set() for image, marks in one.marks.items()}
        here, found = self.sources.images, {}
        for image in images:
            marks = planned.get(image)
            with suppress(ValueError):  # one that cannot be read is said where it is shown
                if marks is None:
                    continue
                if content_of(here, image) != marks[""]:
                    found[image] = "its file was replaced after the study was planned"
                elif digest(known_of(here, image, {})) != marks.get(KNOWN):
                    found[image] = "its rating or label was changed after the study was planned"
        return found

    def set_answers(self, model: str, run: int = 0, layer: str = "") -> SetAnswers | None:
        """What the tables say of all images of the set, for an explorer; None where they say nothing.

        Args:
            layer: by default the model's own, the first that was asked.
        """
        from xai_widgets.study.of_set import set_answers

        known = self._asked_last(model)
        if known is None or not 0 <= run < len(known.runs):
            return None
        return set_answers(self.folder, self._of_set(), model, run, layer or known.layers[0])
