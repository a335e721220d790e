"""The roles of feature maps in words."""

from __future__ import annotations

# In the order of `kernels.ablation.ROLES`: by what the removal does to the error, and to the score.
ROLE_WORDS = (
    "makes no difference to the error",
    "helpful, raises the score",
    "helpful, lowers the score",
    "harmful, raises the score",
    "harmful, lowers the score",
)
