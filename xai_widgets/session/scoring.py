"""The scores of all images of the set, for the gallery; they come in bit by bit."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from xai_widgets.engine import Job, Lane, Output, Query, Subject, WeightsChanging, answer

if TYPE_CHECKING:
    from xai_widgets.session.requests import Requests

FIRST = 64  # images whose scores come before the measures, which would else wait for a folder of thousands
LANES = {"scores": "scores", "rest": "rest", "again": "rest"}  # how urgent they are


class Scoring:
    """Asks for the scores of a model, and hands them to the session."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._again: dict[str, None] = {}  # names that are waited for; several requests become one

    def all(self, query: Query, *, after: float = 0.0) -> None:
        """Ask for the scores of all images, for the model and run of a query, not before so many seconds."""
        names = self._requests.session.images.names
        self._submit("scores", query, names[:FIRST], 0, after)
        self._submit("rest", query, names[FIRST:], FIRST, after)

    def some(self, query: Query, names: tuple[str, ...]) -> None:
        """Ask for the scores of some images again, beside those that are still to come."""
        self._again |= dict.fromkeys(names)
        names = tuple(self._again)
        self._submit("again", query, names, len(self._requests.session.images) - len(names))

    def _submit(self, part: str, query: Query, names: tuple[str, ...], before: int, after: float = 0.0) -> None:
        requests, lane = self._requests, Lane(self._requests.owner, LANES[part], part)
        requests.submit(
            (0, part),
            lane,
            partial(self._scores, query, names, before),
            failed=lambda error: requests.failed(requests.session.panel, part, error),
            after=after,
        )

    def _scores(self, query: Query, names: tuple[str, ...], before: int, job: Job) -> None:
        """Scores of some images, after those of `before` others; on the engine's thread."""
        requests, session, count = self._requests, self._requests.session, before
        queries = [Query(image=name, model=query.model, run=query.run) for name in names]
        fresh: dict[str, Output] = {}

        def here() -> bool:
            return not session.closed and not query.differs(session.query, ("model", "run"))

        def take() -> None:
            with session.changing():
                if here():
                    session.add_scores(fresh)
                    session.failures = {name: why for name, why in session.failures.items() if name not in fresh}
            fresh.clear()

        def show(output: Output, share: float) -> None:
            nonlocal count
            count += 1
            fresh[output.query.image] = output
            self._again.pop(output.query.image, None)
            if output.probabilities is None:
                key = Subject(session.sources, query).model.key
                for index, value in enumerate(output.scores.tolist()):
                    session.sources.note_seen((key, index), value, value)
            if requests.often():
                take()
                requests.tell(f"scores {count} of {len(session.images)}", count / len(session.images))

        def failed(of: Query, error: BaseException) -> None:
            if isinstance(error, WeightsChanging):
                raise error  # no fault of the image: all scores are asked for again
            self._again.pop(of.image, None)
            reason = " ".join(str(error).split()) or type(error).__name__
            known = isinstance(error, ValueError | OSError)
            with session.changing():
                if not here():
                    return
                why = reason if known else f"{of.image}: {type(error).__name__}: {reason}"
                session.failures = session.failures | {of.image: why}

        try:
            requests.unsettled.check(query)
            if names:
                requests.tell(f"scores {count} of {len(session.images)}", count / len(session.images))
            answer(session.sources, queries, "scores", progress=show, stop=job.let_others, failed=failed)
        finally:
            take()
            requests.quiet(job)
