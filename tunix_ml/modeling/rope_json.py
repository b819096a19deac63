"""The rotary positions of a `config.json`.

transformers 5 keeps them in `rope_parameters`, for gemma3 one for each type of layer; 4 has `rope_theta` at
the top, with `rope_scaling` beside it and, for gemma3's local layers, `rope_local_base_freq`.
"""

from collections.abc import Mapping
from typing import Any

from tunix_ml.contracts.base import ContractError
from tunix_ml.modeling.config import LinearScaling, Llama3Scaling, ModelConfig, RopeScaling
from tunix_ml.modeling.families import Family

_FULL, _SLIDING = "full_attention", "sliding_attention"
_LOCAL_THETA = "rope_local_base_freq"
_DEFAULT_THETA = 10_000.0
_ORIGINAL_LENGTH = "original_max_position_embeddings"
_KEYS_OF_ANY_TYPE = {"rope_type", "type", "rope_theta", "partial_rotary_factor"}
_KEYS_OF_TYPE: dict[object, tuple[str, ...]] = {
    "default": (),
    "linear": ("factor",),
    "llama3": ("factor", "low_freq_factor", "high_freq_factor", _ORIGINAL_LENGTH),
}


def read_ropes(values: Mapping[str, Any], family: Family) -> dict[str, Any]:
    """Return `rope_theta`, `rope_scaling` and `local_rope_theta` of a `ModelConfig`.

    Raises:
        ContractError: the positions are of a type that the decoder does not compute, or two keys disagree.
    """
    parameters = _mapping(values, "rope_parameters")
    if _LOCAL_THETA not in family.defaults:
        rope = _agreeing(parameters, _mapping(values, "rope_scaling"))
        return {
            "rope_theta": _theta(rope, values, "rope_theta", family),
            "rope_scaling": _scaling(rope, values),
        }
    if extra := parameters.keys() - {_FULL, _SLIDING}:
        raise ContractError(f"rope_parameters has {min(extra)!r}, {_FULL!r} and {_SLIDING!r} are supported")
    rope = _agreeing(_mapping(parameters, _FULL), _mapping(values, "rope_scaling"))
    local = _mapping(parameters, _SLIDING)
    if _scaling(local, values) is not None:
        raise ContractError(f"{_SLIDING} has rope_type {local['rope_type']!r}, 'default' is supported")
    return {
        "rope_theta": _theta(rope, values, "rope_theta", family),
        "rope_scaling": _scaling(rope, values),
        "local_rope_theta": _theta(local, values, _LOCAL_THETA, family),
    }


def rope_values(config: ModelConfig) -> dict[str, Any]:
    """Return the keys of both versions for a shape."""
    scaling = _scaling_values(config.rope_scaling)
    rope = {"rope_theta": config.rope_theta, "rope_type": "default", **scaling}
    values: dict[str, Any] = {
        "rope_theta": config.rope_theta,
        "rope_scaling": scaling or None,
        "rope_parameters": rope,
    }
    if _LOCAL_THETA in config.family.defaults:
        local = {"rope_theta": config.local_rope_theta, "rope_type": "default"}
        values[_LOCAL_THETA] = config.local_rope_theta
        values["rope_parameters"] = {_FULL: rope, _SLIDING: local}
    return values


def _mapping(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = values.get(name)
    if not isinstance(found, dict | None):
        raise ContractError(f"{name} {found!r} is not an object")
    return dict(found or {})


def _agreeing(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Return both as one: the versions of transformers disagree on which of them counts."""
    for rope in (first, second):
        if "type" in rope:
            rope.setdefault("rope_type", rope["type"])
    for name in (first.keys() & second.keys()) - {"type"}:
        if first[name] != second[name]:
            raise ContractError(
                f"{name} is {first[name]!r} in rope_parameters, {second[name]!r} in rope_scaling"
            )
    return first | second


def _theta(rope: Mapping[str, Any], values: Mapping[str, Any], name: str, family: Family) -> float:
    found = [theta for theta in (rope.get("rope_theta"), values.get(name)) if theta is not None]
    found = found or [family.defaults.get(name, _DEFAULT_THETA)]
    if len(set(found)) > 1:
        raise ContractError(f"{name} {found[1]!r} is not the {found[0]!r} of rope_parameters")
    return _positive(name, found[0])


def _scaling(rope: Mapping[str, Any], values: Mapping[str, Any]) -> RopeScaling | None:
    rope_type = rope.get("rope_type", "default")
    if rope_type not in _KEYS_OF_TYPE:
        supported = ", ".join(map(repr, _KEYS_OF_TYPE))
        raise ContractError(f"rope_type {rope_type!r} is not supported, {supported} are")
    keys = _KEYS_OF_TYPE[rope_type]
    if extra := rope.keys() - _KEYS_OF_ANY_TYPE - set(keys):
        raise ContractError(f"rope_type {rope_type!r} has no {min(extra)!r}")
    if rope.get("partial_rotary_factor", 1.0) != 1.0:
        raise ContractError(
            f"partial_rotary_factor {rope['partial_rotary_factor']!r} is not supported, 1.0 is"
        )
    if not keys:
        return None
    original = {_ORIGINAL_LENGTH: _original_length(rope, values)} if _ORIGINAL_LENGTH in keys else {}
    given = {**rope, **original}
    if missing := [name for name in keys if name not in given]:
        raise ContractError(f"rope_type {rope_type!r} needs {missing[0]!r}")
    numbers: dict[str, Any] = {name: _positive(name, given[name]) for name in keys}
    return LinearScaling(**numbers) if rope_type == "linear" else Llama3Scaling(**numbers)


def _original_length(rope: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
    """Return the trained length, which transformers 5 takes from the top where it is there."""
    length = rope.get(_ORIGINAL_LENGTH, values.get("max_position_embeddings"))
    if values.get(_ORIGINAL_LENGTH, length) != length:
        raise ContractError(f"{_ORIGINAL_LENGTH} is {values[_ORIGINAL_LENGTH]!r} and {length!r}")
    return length


def _scaling_values(scaling: RopeScaling | None) -> dict[str, Any]:
    match scaling:
        case None:
            return {}
        case LinearScaling(factor=factor):
            return {"rope_type": "linear", "factor": factor}
        case Llama3Scaling():
            return {
                "rope_type": "llama3",
                "factor": scaling.factor,
                "low_freq_factor": scaling.low_freq_factor,
                "high_freq_factor": scaling.high_freq_factor,
                _ORIGINAL_LENGTH: int(scaling.original_max_position_embeddings),
            }


def _positive(name: str, value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not value > 0:
        raise ContractError(f"{name} {value!r} is not a number above 0")
    return float(value)
