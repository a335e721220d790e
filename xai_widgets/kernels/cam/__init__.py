"""Grad-CAM and contrast: "why P?", "why P, rather than Q?", from what follows one layer of a network.

A tail has the feature maps `maps` (n c h w) of a layer, and turns changed maps into what the network returns. `score`
reads scores (n k) from that; an `outputs.Outputs` does so and says what they mean. P and Q are given by number or by
name, for all images or one an image. All saliency is signed; cutting it at 0 is a matter of display. The argument
`maps` takes the place of the tail's own, such as maps with gains. Saliency is computed in float32 at least.

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
