"""From rows of tokens to a checkpoint that can be resumed and a model that can be asked."""
