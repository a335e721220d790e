"""Five measures of a saliency map: entropy, noise, resilience, focus and stability, of one image or of many.

Of many at once: `five_measures`. A method is an `Explainer`: images, and the outputs that they are explained for, to
maps that are not negative. Of one image, `explain` turns changed images (n 3 h w) in [0, 1] into maps (n h' w').
Either gets `batch` images at a time; `step` is called before each batch and may raise to cancel. A map that is
constant or not finite makes its value NaN; `mean_defined` leaves those out and counts them.

Reference: Crum et al., Explain To Me, 2023.
"""

from xai_widgets.kernels.degrade import LEVELS as LEVELS
from xai_widgets.kernels.degrade import NOISES as NOISES
from xai_widgets.kernels.measures.explaining import RULES as RULES
from xai_widgets.kernels.measures.explaining import Clean as Clean
from xai_widgets.kernels.measures.explaining import Explain as Explain
from xai_widgets.kernels.measures.explaining import Explained as Explained
from xai_widgets.kernels.measures.explaining import Explainer as Explainer
from xai_widgets.kernels.measures.explaining import Step as Step
from xai_widgets.kernels.measures.explaining import clean_of as clean_of
from xai_widgets.kernels.measures.explaining import explain_for as explain_for
from xai_widgets.kernels.measures.explaining import explained as explained
from xai_widgets.kernels.measures.explaining import explainer_of as explainer_of
from xai_widgets.kernels.measures.explaining import grad_cam_explainer as grad_cam_explainer
from xai_widgets.kernels.measures.intervals import Interval as Interval
from xai_widgets.kernels.measures.intervals import bootstrap_interval as bootstrap_interval
from xai_widgets.kernels.measures.intervals import interval_of_mean as interval_of_mean
from xai_widgets.kernels.measures.intervals import interval_of_stability as interval_of_stability
from xai_widgets.kernels.measures.intervals import mean_defined as mean_defined
from xai_widgets.kernels.measures.moves import resilience as resilience
from xai_widgets.kernels.measures.moves import resilience_by_transform as resilience_by_transform
from xai_widgets.kernels.measures.moves import resilience_of as resilience_of
from xai_widgets.kernels.measures.moves import resilience_rows as resilience_rows
from xai_widgets.kernels.measures.noise import noise_of as noise_of
from xai_widgets.kernels.measures.noise import noise_robustness as noise_robustness
from xai_widgets.kernels.measures.noise import noise_rows as noise_rows
from xai_widgets.kernels.measures.radar import AXES as AXES
from xai_widgets.kernels.measures.radar import HEADLINE as HEADLINE
from xai_widgets.kernels.measures.radar import Radar as Radar
from xai_widgets.kernels.measures.radar import five_measures as five_measures
from xai_widgets.kernels.measures.removal import SMOOTHING as SMOOTHING
from xai_widgets.kernels.measures.removal import Focus as Focus
from xai_widgets.kernels.measures.removal import class_auroc as class_auroc
from xai_widgets.kernels.measures.removal import focus as focus
from xai_widgets.kernels.measures.removal import focus_of as focus_of
from xai_widgets.kernels.measures.removal import removals as removals
from xai_widgets.kernels.measures.removal import removals_of as removals_of
from xai_widgets.kernels.measures.rows import Compared as Compared
from xai_widgets.kernels.measures.rows import Row as Row
from xai_widgets.kernels.measures.runs import pair_similarity as pair_similarity
from xai_widgets.kernels.measures.runs import runs_lost as runs_lost
from xai_widgets.kernels.measures.runs import stability as stability
from xai_widgets.kernels.measures.runs import stability_of as stability_of
from xai_widgets.kernels.measures.runs import stability_rows as stability_rows
from xai_widgets.kernels.measures.similarity import says_nothing as says_nothing
from xai_widgets.kernels.measures.similarity import ssim as ssim
from xai_widgets.kernels.measures.similarity import widest as widest
from xai_widgets.kernels.measures.spread import entropy as entropy
from xai_widgets.kernels.measures.spread import entropy_rows as entropy_rows
