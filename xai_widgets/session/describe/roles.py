"""The roles of feature maps in words."""

from __future__ import annotations

from xai_widgets.engine import ROLES

ROLE_WORDS = ("makes no difference to the error", *ROLES[1:])  # by number; the first is the neutral role
