"""Grad-CAM and contrast: "why P?", "why P, rather than Q?", from the tail of a network alone.

A tail carries `maps` (n c h w) and turns changed maps into the network's return value; `score` turns that into
(n k) scores; an `outputs.Outputs` in its place says what they mean. P and Q go by number or by name, for all images or
one an image. All maps are signed; cutting them at 0 is a matter of display. `maps` stands in for the tail's own: maps
with gains. Maps come in float32 at least.

References: Selvaraju et al., 2017; Prabhushankar, Kwon, Temel and AlRegib, 2020, arXiv 2008.00178.
"""

from xai_widgets.kernels.cam.base import Replayable as Replayable
from xai_widgets.kernels.cam.base import cam_of as cam_of
from xai_widgets.kernels.cam.base import grad_cam as grad_cam
from xai_widgets.kernels.cam.base import grad_cam_weights as grad_cam_weights
from xai_widgets.kernels.cam.base import slope_of as slope_of
from xai_widgets.kernels.cam.change import SmallestChange as SmallestChange
from xai_widgets.kernels.cam.change import smallest_change as smallest_change
from xai_widgets.kernels.cam.classes import all_contrasts as all_contrasts
from xai_widgets.kernels.cam.classes import class_cams as class_cams
from xai_widgets.kernels.cam.classes import class_contrast as class_contrast
from xai_widgets.kernels.cam.classes import contrast_uncertainty as contrast_uncertainty
from xai_widgets.kernels.cam.classes import contrast_weights as contrast_weights
from xai_widgets.kernels.cam.classes import contrasts_of as contrasts_of
from xai_widgets.kernels.cam.classes import counterfactual as counterfactual
from xai_widgets.kernels.cam.scores import Tiled as Tiled
from xai_widgets.kernels.cam.scores import patch_contrast as patch_contrast
from xai_widgets.kernels.cam.scores import score_contrast as score_contrast
from xai_widgets.kernels.cam.scores import tile_contrast as tile_contrast
