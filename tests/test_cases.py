"""What people bring to the kernels: input, outcome, sentence. No line may give a wrong number in silence.

Each line is a kind of input that once gave a wrong value, an error in torch's words, or a refusal that did not help.
The value is the right one, or the sentence is what a reader is told.
"""

from __future__ import annotations

import math

import cases_maps
import cases_networks
import pytest
from cases import Case
from unchecked import unchecked

CASES = [*cases_networks.CASES, *cases_maps.CASES]


@pytest.mark.parametrize("line", CASES, ids=[f"{line.kind}: {line.given}" for line in CASES])
def test_what_is_brought(line: Case) -> None:
    with unchecked():  # as readers run it
        if line.sentence:
            with pytest.raises(line.error, match=line.sentence):
                line.do()
            return
        found = line.do()
    if isinstance(line.value, float):
        assert math.isclose(found, line.value, rel_tol=0, abs_tol=line.within), found
    else:
        assert found == line.value


def test_every_kind_has_a_line() -> None:
    assert {*"ABCDEFGHIJKLMNOPQRS"} - {"H"} <= {line.kind for line in CASES}  # H is among the lines of half precision
