"""Token rows for those who read them with Arrow: the contract, with its table as an Arrow schema."""

from tunix_ml.contracts import token_rows
from tunix_ml.contracts.token_rows import Layout, TokenizeConfig, TokensManifest

__all__ = ["TOKENS_SCHEMA", "Layout", "TokenizeConfig", "TokensManifest"]

TOKENS_SCHEMA = token_rows.TOKENS_SCHEMA.arrow()
