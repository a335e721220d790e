"""From a session and its answers to scenes: what is on a screen, with every word in it. Nothing here draws."""

from __future__ import annotations

from xai_widgets.session.describe.bank import bank as bank
from xai_widgets.session.describe.candidates import candidates as candidates
from xai_widgets.session.describe.card import card as card
from xai_widgets.session.describe.card import facts_of_map as facts_of_map
from xai_widgets.session.describe.effects import p_and_q as p_and_q
from xai_widgets.session.describe.filters import grouping as grouping
from xai_widgets.session.describe.filters import ranked as ranked
from xai_widgets.session.describe.gallery import GalleryScenes as GalleryScenes
from xai_widgets.session.describe.gallery import gallery as gallery
from xai_widgets.session.describe.grid import comparisons as comparisons
from xai_widgets.session.describe.grid import grid as grid
from xai_widgets.session.describe.image_maps import map_look as map_look
from xai_widgets.session.describe.image_maps import map_words as map_words
from xai_widgets.session.describe.image_maps import small_map as small_map
from xai_widgets.session.describe.picker import picker as picker
from xai_widgets.session.describe.plane import plane as plane
from xai_widgets.session.describe.radar import AXES as AXES
from xai_widgets.session.describe.radar import MEASURES as MEASURES
from xai_widgets.session.describe.radar import SIDES as SIDES
from xai_widgets.session.describe.radar import kept as kept
from xai_widgets.session.describe.radar import radar as radar
from xai_widgets.session.describe.radar import series as series
from xai_widgets.session.describe.radar import stale as stale
from xai_widgets.session.describe.sets import QUARTER as QUARTER
from xai_widgets.session.describe.spoken import spoken as spoken
from xai_widgets.session.describe.stage import stage as stage
from xai_widgets.session.describe.stage import waiting as waiting
from xai_widgets.session.describe.words import doing as doing
