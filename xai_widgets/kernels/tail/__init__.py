"""Run the trunk of a network once, then only its tail, for many changed copies of one layer's feature maps."""

from __future__ import annotations

from xai_widgets.kernels.tail.feeds import Feed as Feed
from xai_widgets.kernels.tail.layouts import Layout as Layout
from xai_widgets.kernels.tail.replayable import Replayable as Replayable
from xai_widgets.kernels.tail.replayable import arithmetic_of as arithmetic_of
from xai_widgets.kernels.tail.rules import RULES as RULES  # this import fills the table of `onemap`
from xai_widgets.kernels.tail.shell import Shell as Shell
from xai_widgets.kernels.tail.shell import hooks_matter as hooks_matter
from xai_widgets.kernels.tail.structure import Sparse as Sparse
from xai_widgets.kernels.tail.tail import Tail as Tail
