"""Five measures of a saliency map: entropy, noise, resilience, focus and stability, of one image or of many.

All five of many images: `measured`, one after the other, or `five_measures`, all in one. Each measure of one image has
a function for many images too, whose name ends in `_of`.

A method is a function of images (n c h w) in [0, 1], or of images and the outputs that they are explained for. It gives
maps (n h' w') that are not negative, or maps and scores; `explainer_of` makes one form of all. It gets `batch` images
at a time; `step` is called before each batch and may raise to cancel. Maps and scores are brought to the device of the
images. The value of a degenerate map (zero, constant, or not finite) is NaN; `mean_defined` leaves those out and counts
them.

Reference: Crum et al., Explain To Me, 2023.
"""

from xai_widgets.kernels.degrade import LEVELS as LEVELS
from xai_widgets.kernels.degrade import NOISES as NOISES
from xai_widgets.kernels.degrade import noise_levels as noise_levels
from xai_widgets.kernels.measures.auroc import auroc_of_odds as auroc_of_odds
from xai_widgets.kernels.measures.auroc import class_auroc as class_auroc
from xai_widgets.kernels.measures.auroc import class_log_odds as class_log_odds
from xai_widgets.kernels.measures.explaining import RULES as RULES
from xai_widgets.kernels.measures.explaining import Clean as Clean
from xai_widgets.kernels.measures.explaining import Step as Step
from xai_widgets.kernels.measures.explaining import Target as Target
from xai_widgets.kernels.measures.explaining import clean_of as clean_of
from xai_widgets.kernels.measures.explaining import explain_for as explain_for
from xai_widgets.kernels.measures.explaining import explained as explained
from xai_widgets.kernels.measures.five import AXES as AXES
from xai_widgets.kernels.measures.five import HEADLINE as HEADLINE
from xai_widgets.kernels.measures.five import Ladder as Ladder
from xai_widgets.kernels.measures.five import Measured as Measured
from xai_widgets.kernels.measures.five import measured as measured
from xai_widgets.kernels.measures.intervals import Interval as Interval
from xai_widgets.kernels.measures.intervals import bootstrap_interval as bootstrap_interval
from xai_widgets.kernels.measures.intervals import interval_of_mean as interval_of_mean
from xai_widgets.kernels.measures.intervals import interval_of_stability as interval_of_stability
from xai_widgets.kernels.measures.intervals import intervals_of_means as intervals_of_means
from xai_widgets.kernels.measures.intervals import mean_defined as mean_defined
from xai_widgets.kernels.measures.methods import Explain as Explain
from xai_widgets.kernels.measures.methods import Explained as Explained
from xai_widgets.kernels.measures.methods import Explainer as Explainer
from xai_widgets.kernels.measures.methods import Method as Method
from xai_widgets.kernels.measures.methods import explainer_of as explainer_of
from xai_widgets.kernels.measures.methods import grad_cam_explainer as grad_cam_explainer
from xai_widgets.kernels.measures.moves import resilience as resilience
from xai_widgets.kernels.measures.moves import resilience_by_transform as resilience_by_transform
from xai_widgets.kernels.measures.moves import resilience_of as resilience_of
from xai_widgets.kernels.measures.moves import resilience_rows as resilience_rows
from xai_widgets.kernels.measures.noise import Noise as Noise
from xai_widgets.kernels.measures.noise import noise_of as noise_of
from xai_widgets.kernels.measures.noise import noise_robustness as noise_robustness
from xai_widgets.kernels.measures.radar import Radar as Radar
from xai_widgets.kernels.measures.radar import five_measures as five_measures
from xai_widgets.kernels.measures.removal import SMOOTHING as SMOOTHING
from xai_widgets.kernels.measures.removal import Focus as Focus
from xai_widgets.kernels.measures.removal import focus as focus
from xai_widgets.kernels.measures.removal import focus_mask as focus_mask
from xai_widgets.kernels.measures.removal import focus_mask_of as focus_mask_of
from xai_widgets.kernels.measures.removal import focus_of as focus_of
from xai_widgets.kernels.measures.removal import removals as removals
from xai_widgets.kernels.measures.removal import removals_of as removals_of
from xai_widgets.kernels.measures.rows import Compared as Compared
from xai_widgets.kernels.measures.rows import Row as Row
from xai_widgets.kernels.measures.runs import FEW_RUNS as FEW_RUNS
from xai_widgets.kernels.measures.runs import degenerate_runs as degenerate_runs
from xai_widgets.kernels.measures.runs import pair_name as pair_name
from xai_widgets.kernels.measures.runs import pair_similarity as pair_similarity
from xai_widgets.kernels.measures.runs import stability as stability
from xai_widgets.kernels.measures.runs import stability_of as stability_of
from xai_widgets.kernels.measures.runs import stability_rows as stability_rows
from xai_widgets.kernels.measures.similarity import as_maps as as_maps
from xai_widgets.kernels.measures.similarity import degenerate_maps as degenerate_maps
from xai_widgets.kernels.measures.similarity import ssim as ssim
from xai_widgets.kernels.measures.spread import entropy as entropy
from xai_widgets.kernels.measures.spread import entropy_rows as entropy_rows
