import json
import subprocess
import sys

import pytest
from sympy import Eq, FiniteSet, Function, Integer, Interval, Matrix, Rational, Symbol, Tuple, pi, sqrt

from tunix_ml.evaluation.answers.latex_reader import NotMathematics, read

x = Symbol("x", real=True)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("18", 18),
        ("0.333333", Rational(333_333, 1_000_000)),
        ("0.10000000000000000000001", Rational(10**22 + 1, 10**23)),
        ("3,000.5", Rational(6_001, 2)),
        (r"1\,000", 1_000),
        ("5e3", 5_000),
        ("5E-3", Rational(1, 200)),
        (r"\frac12", Rational(1, 2)),
        (r"$\dfrac{1}{2}$", Rational(1, 2)),
        (r"2\frac{1}{2}", Rational(5, 2)),
        (r"-1\frac{1}{2}", Rational(-3, 2)),
        (r"\boxed{2\sqrt{3}}", 2 * sqrt(3)),
        (r"\sqrt10", sqrt(10)),
        ("√12", sqrt(12)),
        ("sqrt(2)", sqrt(2)),
        ("2pi", 2 * pi),
        ("x²", x**2),
        ("x**10", x**10),
        ("90°", pi / 2),
        ("(1, 2, 3)", Tuple(1, 2, 3)),
        ("[1, 2)", Interval.Ropen(1, 2)),
        ("x = 5", Eq(x, 5)),
    ],
)
def test_an_expression_has_its_exact_value(text: str, value: object) -> None:
    assert read(text).doit() == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2(3)", 6),
        ("(2)(3)", 6),
        ("-2(3)", -6),
        (r"2\frac{3}{1}", 6),
        (r"\binom{5}{2}(3)", 30),
        ("6/2(3)", 1),
    ],
)
def test_numbers_side_by_side_are_multiplied_where_a_bracket_says_so(text: str, value: int) -> None:
    assert read(text).doit() == value


@pytest.mark.parametrize(
    "text", ["2 3", r"2\ 3", r"2\quad3", "1.5.2", "2 1/2", r"5\text{}6", "5$6", r"5\$6", "0.5 6"]
)
def test_two_numbers_side_by_side_may_be_anything(text: str) -> None:
    with pytest.raises(NotMathematics, match="cannot be read as mathematics"):
        read(text)


@pytest.mark.parametrize(
    "text", ["", "5)", "3 +", "=5", "18 \u00a7", "{", "\\", r"\frac{1}", "(5,)", r"\begin{x}1\end{x}"]
)
def test_what_the_grammar_does_not_have_is_no_mathematics(text: str) -> None:
    with pytest.raises(NotMathematics):
        read(text)


def test_several_values_are_no_single_one() -> None:
    with pytest.raises(NotMathematics, match="is no single value"):
        read(r"\operatorname{cols}(\begin{pmatrix}1 & 2\end{pmatrix})")


@pytest.mark.parametrize("text", [r"\{1, 2\}", "{2, 1}", "1 or 2", "1, 2"])
def test_a_set_is_read(text: str) -> None:
    assert isinstance(read(text), FiniteSet)
    assert set(read(text).args) == {1, 2}


def test_the_base_of_a_number_is_kept() -> None:
    assert read("1010_2") == read("1010_{2}") == Function("digits")(Integer(1010), Symbol("2"))
    assert read("1010_2") != read("1010")


def test_variables_are_real_unless_it_is_said_otherwise() -> None:
    assert read("x").is_real
    assert not read("x", is_real=False).is_real


def test_a_matrix_is_read() -> None:
    assert read(r"\begin{pmatrix}1 & 0.5\end{pmatrix}") == Matrix([[1, Rational(1, 2)]])


HOSTILE = r"""
__import__('os').system('touch {path}')
exec("open('{path}', 'w')")
open('{path}', 'w').write('x')
().__class__.__bases__[0].__subclasses__()
\text{{__import__('os').system('touch {path}')}}
\operatorname{{__import__('os').system('touch {path}')}}(1)
x_{{__import__('os').system('touch {path}')}}
\mathrm{{eval}}(\text{{open('{path}','w')}})
1 if __import__('os').system('touch {path}') else 2
$5$; import os; os.environ['HOSTILE'] = '1'
\gcd(__import__('os').system('touch {path}'), 2)
f(open('{path}','w'))
lambda: open('{path}','w')
5)+__import__('os').system('touch {path}')+(1
"""
WATCH = """
import json, os, sys

compiled = []

def watch(event, arguments):
    if event == "compile" and str(arguments[1]).startswith("<"):
        compiled.append((sys._getframe(1).f_globals["__name__"], str(arguments[0])))

from tunix_ml.evaluation.answers.mathematics import compare
from tunix_ml.evaluation.answers.solver_process import _warm_up
import sympy

_warm_up()  # some modules of sympy read names of their own at their import
sys.addaudithook(watch)
outcomes = [compare("5", text).outcome for text in json.loads(sys.argv[1])]
of_answers = list(compiled)
sympy.sympify("6 * 7")
print(json.dumps([outcomes, of_answers, compiled[len(of_answers):], "HOSTILE" in os.environ]))
"""


def test_no_answer_is_ever_compiled_as_python(tmp_path) -> None:
    """The last text is given to sympy's own reader, which shows that the watch sees what it looks for."""
    path = tmp_path / "touched"
    texts = [line.format(path=path) for line in HOSTILE.strip().splitlines()]
    numbers = ["0.5", "5E3", "3,000", r"10\%", "1010_2", r"\frac{1}{2}"]
    command = [sys.executable, "-c", WATCH, json.dumps([*texts, *numbers])]

    result = subprocess.run(command, capture_output=True, check=True, timeout=60)

    outcomes, of_answers, control, environment_touched = json.loads(result.stdout)
    assert set(outcomes) == {"different"}
    reader = "sympy.parsing.sympy_parser"
    assert [source for module, source in control if module == reader and "6" in source]
    assert [source for module, source in of_answers if module == reader] == []
    assert [source for _, source in of_answers if str(path) in source or "import os" in source] == []
    assert not environment_touched
    assert not path.exists()
