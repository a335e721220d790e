"""The map of each of some images under one question, as a gallery shows them; a part of `Session`."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import replace
from functools import partial
from threading import RLock

from xai_widgets.engine import Job, Lane, Query, Saliency, Sources, Stopped, WeightsChanging, answer
from xai_widgets.engine.query import one_of
from xai_widgets.images import ImageSet
from xai_widgets.session.one_change import OneChange
from xai_widgets.session.requests import Requests

NO_PLACE = "It is not known where in the photo its map lies; pass `transform` in parts to see it there."
Take = Callable[[str, Saliency | None, str], None]  # the image, its map, or why there is none


class ImageMaps(OneChange):
    """Maps of many images, when nothing more urgent is to be done."""

    lock: RLock  # type: ignore[valid-type]
    query: Query
    sources: Sources
    images: ImageSet
    closed: bool
    _requests: Requests

    def explain_images(self, names: Iterable[str], take: Take, whose: Hashable = "") -> None:
        """Ask for the maps of images: each of them is asked what the active panel asks of its own image.

        What was asked for before and is not named again is not computed.

        Args:
            names: of the images; none to stop.
            take: called on the engine's thread for each image, with its name, its map, and "", or None and why.
            whose: requests of different ones do not replace each other.

        Raises:
            ValueError: an image that is not there; nothing is asked for then.
        """
        with self.lock:
            self._open()
            wanted = [one_of("image", name, self.images.names) for name in dict.fromkeys(names)]
            requests, where = self._requests, (0, f"maps of images {whose}")
            lane = Lane(requests.owner, "detail", where[1])
            requests.submit(
                where, lane, partial(self._explain_each, self.query, wanted, take), failed=self._not_explained
            )
            requests.call_it(where, "maps of images")

    def _not_explained(self, error: BaseException) -> None:
        """While weights change nothing is shown; other faults are of an image and were told with it."""
        if not isinstance(error, WeightsChanging):
            self._requests.failed(self._requests.session.panel, "maps of images", error)

    def _explain_each(self, query: Query, names: list[str], take: Take, job: Job) -> None:
        """On the engine's thread."""
        model = self.sources.model(query.model)
        try:
            for number, name in enumerate(names):
                job.let_others()
                self._requests.tell(f"maps of images, {number} of {len(names)}", number / len(names))
                try:
                    made = answer(
                        self.sources, replace(query, image=name), "explanation", stop=job.let_others, passing=True
                    )
                    if not model.placed:
                        raise ValueError(NO_PLACE)
                    found, why = made.saliency, ""
                except (Stopped, WeightsChanging):
                    raise
                except Exception as error:  # of one image: it is said in its place
                    found, why = None, " ".join(str(error).split()) or type(error).__name__
                take(name, found, why)
        finally:
            self._requests.quiet(job)
