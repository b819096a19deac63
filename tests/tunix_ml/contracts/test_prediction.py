from tunix_ml.contracts import prediction, predictions


def test_the_schema_is_that_of_the_contract() -> None:
    assert prediction.PREDICTIONS_SCHEMA.equals(predictions.PREDICTIONS_SCHEMA.arrow())
