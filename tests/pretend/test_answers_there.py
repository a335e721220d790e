"""Every answer of the engine, and whole sessions, on the pretend device."""

from __future__ import annotations

import pytest
from accelerated import ANSWERS, SETS, check_answer, check_session
from pretend_device import DEVICE


@pytest.mark.parametrize(("model", "answer"), ANSWERS)
def test_an_answer(model: str, answer: str) -> None:
    check_answer(model, answer, DEVICE)


@pytest.mark.parametrize("model", SETS)
def test_a_session(model: str) -> None:
    check_session(model, DEVICE)
