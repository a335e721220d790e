"""As a reader runs the package: shapes and types are checked by the kernels alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import jaxtyping
import pytest


@contextmanager
def unchecked() -> Iterator[None]:
    """Without the checks of jaxtyping and beartype, which readers do not have."""
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)


@contextmanager
def refused(error: type[Exception], message: str) -> Iterator[None]:
    """What is done within must be refused by the kernel itself, with a message that matches."""
    with unchecked(), pytest.raises(error, match=message):
        yield
