import pytest

from tunix_ml.contracts.base import ContractError
from tunix_ml.modeling.families import FAMILIES, family_of


def test_every_family_is_known_to_transformers_by_its_model_type_and_its_architecture() -> None:
    import transformers
    from transformers import CONFIG_MAPPING

    for model_type, family in FAMILIES.items():
        assert model_type in CONFIG_MAPPING
        assert family.architecture in dir(transformers)


@pytest.mark.parametrize("model_type", ["mixtral", None, ["llama"]])
def test_an_unknown_family_is_refused_with_the_known_ones(model_type: object) -> None:
    with pytest.raises(ContractError, match=r"is not supported, llama, mistral, .* are"):
        family_of(model_type)
