"""Networks as the other rooms see them: what goes in, what comes out, where the feature maps are."""

from __future__ import annotations

from xai_widgets.models.geometry import Prepared as Prepared
from xai_widgets.models.layers import LayerInfo as LayerInfo
from xai_widgets.models.loading import load_model as load_model
from xai_widgets.models.loading import model_names as model_names
from xai_widgets.models.model import ImageModel as ImageModel
from xai_widgets.models.model import ModelNow as ModelNow
from xai_widgets.models.source import ModelSource as ModelSource

__all__ = ["ImageModel", "LayerInfo", "ModelNow", "ModelSource", "Prepared", "load_model", "model_names"]
