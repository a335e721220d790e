"""Of which weights the answers of a session are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xai_widgets.engine import Query, Subject

if TYPE_CHECKING:
    from xai_widgets.models import ImageModel
    from xai_widgets.session.session import Session

Which = tuple[str, int]  # model and run


class Weights:
    """Of each model and run the weights of its last answer, and those with which what failed was asked again."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._answered: dict[Which, str] = {}
        self._retried: dict[Which, str] = {}

    def answered(self, query: Query, now: str) -> bool:
        """Note the weights of an answer; were those of the last one others?"""
        which = query.model, query.run
        before, self._answered[which] = self._answered.get(which), now
        self._retried.pop(which, None)
        return before not in (None, now)

    def retry(self, query: Query) -> None:
        """Note that what failed is asked once more with the weights as they are."""
        self._retried[query.model, query.run] = self._digest(query)

    def were_retried(self, query: Query) -> bool:
        """Whether what fails now was asked once more already."""
        return (query.model, query.run) in self._retried

    def changed(self, query: Query) -> bool:
        """Whether the weights are others than when the last answer began."""
        which, now = (query.model, query.run), self._digest(query)
        return self._answered.get(which) not in (None, now) and self._retried.get(which) != now

    def model(self, query: Query) -> ImageModel:
        """Which is asked, the run that is named."""
        return Subject(self._session.sources, query).model

    def _digest(self, query: Query) -> str:
        return self.model(query).digest()
