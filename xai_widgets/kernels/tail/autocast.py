"""The setting of `torch.autocast`, kept for later."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Autocast:
    """The setting of autocast for one type of device; without a dtype it is off."""

    device: str
    dtype: torch.dtype | None = None

    @classmethod
    def now(cls, device: torch.device) -> Autocast:
        """The setting here and now."""
        kind = device.type
        if not torch.amp.is_autocast_available(kind) or not torch.is_autocast_enabled(kind):
            return cls(kind)
        return cls(kind, torch.get_autocast_dtype(kind))

    def on(self, device: str) -> AbstractContextManager[object]:
        """A block with this setting for another type of device."""
        return Autocast(device, self.dtype).set()

    def set(self) -> AbstractContextManager[object]:
        """A block with this setting."""
        if Autocast.now(torch.device(self.device)) == self:
            return nullcontext()
        dtype = self.dtype or torch.get_autocast_dtype(self.device)
        return torch.autocast(self.device, dtype, enabled=self.dtype is not None)
