"""The projection computes what scikit-learn's pipeline does."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from outofsync.scoring.projection import Projection


def test_equals_a_fitted_pipeline() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(3, 2, (200, 64)) @ rng.normal(size=(64, 64))
    pipeline = Pipeline([("scaling", StandardScaler()), ("pca", PCA(n_components=31))]).fit(features)
    scaler, pca = pipeline["scaling"], pipeline["pca"]
    arrays = {
        "mean": scaler.mean_,
        "scale": scaler.scale_,
        "centre": pca.mean_,
        "components": pca.components_,
    }
    projection = Projection({name: torch.from_numpy(array) for name, array in arrays.items()})
    ours = projection(torch.from_numpy(features)).numpy()
    np.testing.assert_allclose(ours, pipeline.transform(features), atol=1e-9)
