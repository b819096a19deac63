"""Predictions for those who write them: the contract, with its table as an Arrow schema."""

from tunix_ml.contracts import predictions
from tunix_ml.contracts.predictions import FinishReason, PredictConfig, Prediction, PredictionsMeta

__all__ = ["PREDICTIONS_SCHEMA", "FinishReason", "PredictConfig", "Prediction", "PredictionsMeta"]

PREDICTIONS_SCHEMA = predictions.PREDICTIONS_SCHEMA.arrow()
