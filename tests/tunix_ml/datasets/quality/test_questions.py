from tunix_ml.datasets.quality.questions import Questions, text_key
from tunix_ml.datasets.quality.words import Vocabulary

STORY = "Anna buys {} apples and {} pears at the market and gives half to Ben"


def test_questions_in_the_same_words_have_one_key_and_renumbered_ones_one_masked_key() -> None:
    questions = Questions(Vocabulary())
    for prompt in (STORY.format(3, 4), STORY.format(3, 4).upper() + "?", STORY.format("twelve", 90)):
        questions.add(prompt)

    found = questions.arrays()

    assert found.keys[0] == found.keys[1] != found.keys[2]
    assert len(set(found.masked_keys.tolist())) == 1
    assert found.masked_keys[0] != 0
    assert len(questions) == 3


def test_a_short_question_or_one_without_numbers_is_not_compared_by_its_wording() -> None:
    questions = Questions(Vocabulary())
    questions.add("What is 5 times 7?")
    questions.add(STORY.format("some", "many"))

    assert questions.arrays().masked_keys.tolist() == [0, 0]


def test_questions_without_a_word_are_told_apart() -> None:
    questions = Questions(Vocabulary())
    questions.add("?")
    questions.add("!", generator=4)

    found = questions.arrays()

    assert found.keys[0] != found.keys[1]
    assert found.generators.tolist() == [0, 4]


def test_a_key_is_never_the_one_for_nothing() -> None:
    assert text_key("") > 0
