"""A decoder's prompts and answers as tokens."""

from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from read_repro.data.batches import ASK, answer_ids, continuation, encode
from read_repro.data.datamodule import read_tasks

TASKS = {task.name: task for task in read_tasks()}
ROWS: list[Any] = [{"sentence": "a fine film , all told", "label": 1}, {"sentence": "dull", "label": 0}]


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level tokenizer as GPT-2's, which knows little: words fall into several tokens."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    options = {"vocab_size": 300, "special_tokens": ["<end>"], "initial_alphabet": alphabet}
    trainer = trainers.BpeTrainer(**options, show_progress=False)
    made.train_from_iterator(["sst2 sentence: good answer: positive", "answer: negative 1.0"] * 5, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<end>")


def test_the_prompt_is_the_text_and_the_question_and_the_answer_goes_on(tokenizer: Any) -> None:
    encoded = encode(
        TASKS["sst2"], ROWS, tokenizer, text_to_text=True, prompted=True, targets="words", max_source_tokens=500
    )
    for row, example in zip(ROWS, encoded.examples, strict=True):
        whole = [*example["input_ids"], *example["target_ids"]]
        word = TASKS["sst2"].target(row["label"], "words")
        assert tokenizer.decode(whole) == f"sst2 sentence: {row['sentence']} answer: {word}"
        assert "token_type_ids" not in example


def test_a_long_text_is_cut_and_the_question_is_not(tokenizer: Any) -> None:
    ask = continuation(tokenizer, "text", ASK)
    encoded = encode(
        TASKS["sst2"],
        ROWS,
        tokenizer,
        text_to_text=False,
        prompted=True,
        targets="words",
        max_source_tokens=len(ask) + 4,
    )
    assert encoded.truncated == 2
    for example in encoded.examples:
        assert len(example["input_ids"]) == len(ask) + 4
        assert tuple(example["input_ids"][-len(ask) :]) == ask
        assert "target_ids" not in example


def test_an_answer_ends_only_where_another_goes_on_from_it(tokenizer: Any) -> None:
    ids = answer_ids(TASKS["sst2"], tokenizer, "words", prompted=True)
    assert all(tokenizer.eos_token_id not in row for row in ids.values())
    rows = answer_ids(TASKS["rte"] if "rte" in TASKS else TASKS["qnli"], tokenizer, "words", prompted=True)
    beginnings = [a for a in rows.values() for b in rows.values() if a != b and b[: len(a)] == a]
    assert beginnings == []
    from dataclasses import replace

    nested = replace(TASKS["sst2"], words=("pos", "positive"))
    tokens = answer_ids(nested, tokenizer, "words", prompted=True)
    assert not any(a != b and b[: len(a)] == a for a in tokens.values() for b in tokens.values())


def test_what_a_tokenizer_puts_at_the_end_is_no_part_of_a_prompt(tokenizer: Any) -> None:
    from read_repro.data.batches import prompt_ids

    assert np.array_equal(prompt_ids([5, 6, tokenizer.eos_token_id], (7, 8), tokenizer), [5, 6, 7, 8])
