"""What is on a screen, as frozen plain data with every word in it. Views send scenes, figures draw them."""

from __future__ import annotations

from xai_widgets.scenes._record import same as same
from xai_widgets.scenes.bank import Bank as Bank
from xai_widgets.scenes.candidates import Candidates as Candidates
from xai_widgets.scenes.card import Card as Card
from xai_widgets.scenes.card import Crop as Crop
from xai_widgets.scenes.gallery import Chip as Chip
from xai_widgets.scenes.gallery import ColumnItem as ColumnItem
from xai_widgets.scenes.gallery import Gallery as Gallery
from xai_widgets.scenes.gallery import SliceItem as SliceItem
from xai_widgets.scenes.grid import Comparison as Comparison
from xai_widgets.scenes.grid import Grid as Grid
from xai_widgets.scenes.picker import Picker as Picker
from xai_widgets.scenes.plane import CROSSED as CROSSED
from xai_widgets.scenes.plane import Plane as Plane
from xai_widgets.scenes.radar import Axis as Axis
from xai_widgets.scenes.radar import Detail as Detail
from xai_widgets.scenes.radar import Radar as Radar
from xai_widgets.scenes.radar import Series as Series
from xai_widgets.scenes.radar import Table as Table
from xai_widgets.scenes.stage import Choice as Choice
from xai_widgets.scenes.stage import Layer as Layer
from xai_widgets.scenes.stage import Look as Look
from xai_widgets.scenes.stage import MethodItem as MethodItem
from xai_widgets.scenes.stage import Outline as Outline
from xai_widgets.scenes.stage import Score as Score
from xai_widgets.scenes.stage import Secondary as Secondary
from xai_widgets.scenes.stage import Stage as Stage
