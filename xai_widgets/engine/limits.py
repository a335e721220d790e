"""What an engine may take of a host that many share: by argument, else by variables of the environment.

A teacher sets the variables once, where the kernels are started; see also `models.shared_gpu`.
"""

from __future__ import annotations

import os
import re

from xai_widgets.engine.query import plain

THREADS = "XAI_WIDGETS_THREADS"
CACHE = "XAI_WIDGETS_CACHE_BYTES"
GIBIBYTE = 2**30
UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


def threads_of(given: int | None) -> int | None:
    """On how many CPU threads the engine computes; None: as many as torch takes.

    Raises:
        ValueError: no whole number from 1.
    """
    name, value = ("threads", plain(given)) if given is not None else (THREADS, os.environ.get(THREADS, "").strip())
    if value == "":
        return None
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} must be a whole number of CPU threads from 1, got {value!r}.")
    return value


def cache_bytes_of(given: int | None) -> int:
    """How many bytes of answers are remembered; 1 GiB where nothing is said.

    Raises:
        ValueError: no number of bytes from 1.
    """
    if given is not None:
        return given  # the cache checks it
    text = os.environ.get(CACHE, "").strip()
    if not text:
        return GIBIBYTE
    found = re.fullmatch(r"(\d+)\s*([kmgt]?)(i?b)?", text.casefold())
    if found is None or not int(found[1]):
        raise ValueError(f"{CACHE} must be a number of bytes from 1, such as 268435456 or 256M, got {text!r}.")
    return int(found[1]) * UNITS[found[2]]
