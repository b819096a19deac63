from random import Random

from tunix_ml.traces.generators.family import draw_fields, fill


def test_only_fields_that_the_template_names_are_drawn():
    pools = {"name": ("Ada",), "things": ("pens",)}

    assert draw_fields(Random(1), "{name} has {a}.", pools) == {"name": "Ada"}


def test_a_template_is_filled_with_operands():
    assert fill("{name} has {a}.", {"name": "Ada", "a": 3, "unused": 1}) == "Ada has 3."
