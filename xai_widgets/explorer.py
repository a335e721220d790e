"""The explorer: the views of one session, laid out."""

from __future__ import annotations

import base64
import sys
import threading
import weakref
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from traitlets import TraitError, observe, validate
from traitlets import Tuple as TupleTrait

from xai_widgets.engine import Engine, SetAnswers, Sources
from xai_widgets.engine.query import one_of
from xai_widgets.session import Models, Session
from xai_widgets.session.set_rows import without
from xai_widgets.views import ContrastPicker, Gallery, ImpactPlane, MapBank, MetricRadar, Stage, StatusBar
from xai_widgets.views import _notebook as notebook
from xai_widgets.views._base import View
from xai_widgets.views._workspace import TABS, Workspace

if TYPE_CHECKING:
    from xai_widgets.study import Study

VIEWS: dict[str, type[View]] = {
    "gallery": Gallery,
    "contrast": ContrastPicker,
    "stage": Stage,
    "bank": MapBank,
    "plane": ImpactPlane,
    "radar": MetricRadar,
}
FIGURES = ("stage", "bank", "plane", "radar")  # views that are written into files
PATIENCE = 60.0  # seconds that a figure waits for what was asked last


class Explorer(Workspace):
    """A gallery, the photo with its saliency, every feature map with a gain, a contrast, effects and measures.

    All views show one session and change each other through it. `explorer.session` answers to Python. They stand on one
    screen: gallery and contrast, the stage, and a dock whose tabs hold the maps, their effects and the measures;
    `explorer.tab` is the one in front: "bank", "plane" or "radar".

    Args:
        model: an `ImageModel`, a name for `load_model`, several of either, a `Session`, or a `Study`, whose models and
            images are shown with what it knows of them.
        images: an `ImageSet`, or what it takes: a folder, files, arrays, a table. Not with a session or a study.
        show: which views stand on the screen, some of "gallery", "contrast", "stage", "bank", "plane" and "radar"; all
            of them, if left out. `explorer.shown` changes it later.
        options: image, layer, engine; see `Session`.

    Raises:
        ValueError: a view that does not exist, no images, or what `Session` refuses.
        TypeError: options that do not exist, or images beside a session or a study.
    """

    shown = TupleTrait(tuple(VIEWS), help="The views on the screen, by name.")

    def __init__(
        self, model: Models | Session | Study, images: Any = None, *, show: Iterable[str] = tuple(VIEWS), **options: Any
    ) -> None:
        shown = _checked(show)
        study = _study_of(model)
        if study is not None and images is not None:
            raise TypeError("an explorer of a study takes no images: they are those of the study.")
        if isinstance(model, Session) and (images is not None or options):
            raise TypeError(
                "an explorer of a session takes nothing else: images, image, layer and engine are the session's."
            )
        with notebook.opening() as tell:
            if isinstance(model, Session):
                self.session = model
            elif study is not None:
                self.session = _session(study.sources.given, study.sources.images, options, tell)
            else:
                self.session = _session(cast("Models", model), images, options, tell)
            self._owns = not isinstance(model, Session)
            self._bring = None if study is None else _Bringing(self.session, study)
            self._cell: dict[str, Any] = {}  # the message that showed this, under which a still can be left
            self._views: dict[str, View] = {}
            self.status = StatusBar(self.session, keep=self._keep_below)
            super().__init__(shown=shown, _view_count=0)  # views are counted where it is a number
            self._place()
        self._replace_older()

    # ------------------------------------------------------------------ the views, each made when it is first looked at

    @property
    def gallery(self) -> Gallery:
        return cast("Gallery", self._view("gallery"))

    @property
    def contrast(self) -> ContrastPicker:
        return cast("ContrastPicker", self._view("contrast"))

    @property
    def stage(self) -> Stage:
        return cast("Stage", self._view("stage"))

    @property
    def bank(self) -> MapBank:
        return cast("MapBank", self._view("bank"))

    @property
    def plane(self) -> ImpactPlane:
        return cast("ImpactPlane", self._view("plane"))

    @property
    def radar(self) -> MetricRadar:
        return cast("MetricRadar", self._view("radar"))

    def _view(self, name: str) -> View:
        if name not in self._views:
            self._views[name] = VIEWS[name](self.session)
        return self._views[name]

    def _place(self) -> None:
        """Give the page the views that are shown."""
        views = {"status": self.status} | {name: self._view(name) for name in VIEWS if name in self.shown}
        self.parts = {name: f"anywidget:{view.model_id}" for name, view in views.items()}

    @validate("shown")
    def _checked_views(self, proposal: Any) -> tuple[str, ...]:
        try:
            return _checked(proposal["value"])
        except ValueError as error:
            raise TraitError(str(error)) from None

    @observe("shown")
    def _show_others(self, _: Any) -> None:
        if self.comm is not None and self.parts:
            self._place()

    @validate("tab")
    def _checked_tab(self, proposal: Any) -> str:
        if proposal["value"] not in TABS:
            raise TraitError(f"tab must be one of {', '.join(map(repr, TABS))}; got {proposal['value']!r}.")
        return str(proposal["value"])

    def _replace_older(self) -> None:
        """Close what earlier runs of the same cell made, once it is seen nowhere.

        Else a cell that is run again and again fills kernel and page, until a notebook that is reopened shows nothing.
        """
        cell, run = _which_cell()
        if not cell:
            return
        older = _made_by.setdefault(cell, weakref.WeakKeyDictionary())
        for explorer, its_run in list(older.items()):
            if its_run != run:
                explorer.observe(explorer._close_unseen, "_view_count")
                explorer._close_unseen()
        older[self] = run

    def _close_unseen(self, _: Any = None) -> None:
        if not self._view_count:
            self.close()

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """Beside the live views a still picture, for a notebook that is opened without a kernel."""
        self._cell = notebook.running_cell()
        bundle = super()._repr_mimebundle_(**options)
        still = self.stage.still() if bundle else None
        if bundle is None or still is None:
            return bundle
        (data, metadata), (picture, words) = bundle, still
        return data | {"image/png": base64.b64encode(picture).decode(), "text/plain": words}, metadata

    def figure(self, path: Any, *, of: str = "stage", **options: Any) -> Path:
        """Write what a view shows as a figure: PDF, SVG or PNG, by the ending of the file's name.

        Several panels of the stage are one figure with a letter each; what is laid over them is drawn too: a
        difference, a divider, contours, the region, outlines.

        Args:
            path: of the file; its folder must be there.
            of: "stage", "bank", "plane" or "radar".
            options: width_mm, dpi, interpolation ("native" for the cells of the map, "bilinear", "bicubic"; if left
                out, as the stage shows it), caption, overwrite; see `figures.save`.

        Waits for what was asked last.

        Returns:
            The path of the file.

        Raises:
            ValueError: another view or format, a folder that is not there, or nothing to draw yet.
            FileExistsError: the file is there, and `overwrite` was not asked for.
        """
        from xai_widgets import figures

        if of == "stage":  # as it is seen, unless something else is asked for
            options.setdefault("interpolation", "bilinear" if self.session.look.smooth else "native")
        view = getattr(self, one_of("of", of, FIGURES))
        if not self.session.wait(PATIENCE, measures=of == "radar"):
            raise ValueError(f"the answer is still on its way after {PATIENCE:g} s; ask for the figure again later.")
        return figures.save(view.picture(), path, **options)

    def keep(self, *, of: str = "stage") -> None:
        """Leave what a view shows as a still figure with its caption in the output of the running cell.

        Args:
            of: "stage", "bank", "plane", "radar", "gallery" or "contrast".

        Raises:
            ValueError: another view, or there is nothing to draw yet.
        """
        one_of("of", of, (*FIGURES, "gallery", "contrast"))
        self.stage.settle(PATIENCE)
        if of != "stage":
            self.session.wait(PATIENCE)
        notebook.leave(*self._still(of), cell=notebook.running_cell() or self._cell)

    def _keep_below(self) -> None:
        """The same for a click: below the explorer, and drawn on a thread of its own."""
        if not self.stage.settle(0):
            raise ValueError("the picture is still on its way; keep it when the map is there.")

        def leave() -> None:
            try:
                notebook.leave(*self._still(), cell=self._cell)
            except (ValueError, RuntimeError, OSError) as error:
                self.session.error = f"The figure could not be kept: {error}"

        threading.Thread(target=leave, name="xai_widgets keep", daemon=True).start()

    def _still(self, of: str = "stage") -> tuple[bytes, str]:
        still: tuple[bytes, str] | None = getattr(self, of).still()
        if still is None:
            raise ValueError("there is no picture to keep yet; try again when the map is there.")
        return still

    def close(self) -> None:
        """Close every view, and the session where the explorer made it. May be called twice."""
        if self.comm is not None:
            self.parts = {}  # the page ends its views first: one without its widget would go on sending
            self.unobserve_all("_view_count")
            self._view_count = None  # else the page would still say that it is seen no more
            for view in (self.status, *self._views.values()):
                view.close()
            self.layout.close()
            if self._owns:
                self.session.close()
        super().close()


_made_by: dict[str, weakref.WeakKeyDictionary[Explorer, str]] = {}  # explorers, and in which run, by cell


def _which_cell() -> tuple[str, str]:
    """The cell that is running, and its run; empty where no notebook says which."""
    with suppress(KeyError, TypeError):
        request = notebook.running_cell()
        return str(request["metadata"]["cellId"]), str(request["header"]["msg_id"])
    return "", ""


def _study_of(given: Any) -> Study | None:
    """A study, where one is given; nobody has one who has not imported it."""
    studies = sys.modules.get("xai_widgets.study")
    return given if studies is not None and isinstance(given, studies.Study) else None


class _Bringing:
    """Gives a session what a study knows of the model, training run and layer that are shown."""

    def __init__(self, session: Session, study: Study) -> None:
        self._session, self._study = session, study
        self._seen: set[tuple[str, int, str]] = set()
        self._bring(self._key)
        session.observe(self._moved, "query")

    @property
    def _key(self) -> tuple[str, int, str]:
        query = self._session.query
        return query.model, query.run, query.layer

    def _moved(self, _: Any) -> None:
        if self._key not in self._seen:  # many files may have to be read
            threading.Thread(target=self._bring, args=(self._key,), name="xai_widgets study", daemon=True).start()

    def _bring(self, key: tuple[str, int, str]) -> None:
        self._seen.add(key)
        try:
            unlike = self._study.unlike(key[0], key[1])
            known = None if unlike else self._study.set_answers(*key)
            if unlike:
                self._session.say(unlike)
            elif known is not None and not self._session.closed:
                self._session.bring(known)
                threading.Thread(target=self._look, args=(known,), name="xai_widgets study", daemon=True).start()
        except (ValueError, RuntimeError, OSError) as error:
            self._session.say(f"What the study knows could not be read: {error}")

    def _look(self, known: SetAnswers) -> None:
        """Leave out what is no longer true: files may have been replaced."""
        replaced = self._study.replaced(known.images)
        if replaced and not self._session.closed:
            with suppress(ValueError, RuntimeError):  # the session was closed, or asks something else now
                self._session.bring(without(known, replaced))
                count = "1 image" if len(replaced) == 1 else f"{len(replaced):,} images"
                self._session.say(f"The files of {count} were replaced after the study was planned: run it again.")


def explore(model: Models | Session | Study, images: Any = None, **options: Any) -> Explorer:
    """Open an explorer; see `Explorer`."""
    return Explorer(model, images, **options)


def _checked(show: Iterable[str]) -> tuple[str, ...]:
    """The views that are shown, in the order of the screen."""
    wanted = (show,) if isinstance(show, str) else tuple(show)
    for name in wanted:
        one_of("a view that is shown", name, tuple(VIEWS))
    if not wanted:
        raise ValueError(f"an explorer shows at least one view of {', '.join(map(repr, VIEWS))}.")
    return tuple(name for name in VIEWS if name in wanted)


def _session(model: Models, images: Any, options: dict[str, Any], tell: Callable[[str], None]) -> Session:
    if images is None:
        raise ValueError("an explorer needs images: a folder, files, arrays, a table, or the name of a bundled set.")
    known = {"image", "layer", "engine"}
    for name in options:
        if name not in known:
            raise TypeError(f"explore() takes {', '.join(sorted(known | {'show'}))}, got {name!r}.")
    engine: Engine | None = options.pop("engine", None)
    tell("reading the images")
    engine = engine or Engine.shared()
    sources = Sources(model, images, cache=engine.cache)
    tell(f"loading {sources.names[0]}")
    return Session(sources, sources.images, engine=engine, **options)
