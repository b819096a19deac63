from tunix_ml.contracts import token_rows, tokens


def test_the_schema_is_that_of_the_contract() -> None:
    assert tokens.TOKENS_SCHEMA.equals(token_rows.TOKENS_SCHEMA.arrow())
