"""From rows to tokens to padded batches of like length, the same for every method."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from read_repro.data.tasks import Row, Task
from read_repro.errors import InputError

CHUNK_BATCHES = 50  # so many batches' examples are sorted by length together: enough to pad little, and to stay random
TOKENIZE_ROWS = 1000  # so many rows are tokenised at a time, so that a task's tokenizer records are never all held
IGNORED = -100  # a target id that the loss leaves out
ASK = " answer:"  # what a decoder's prompt ends with; its answer goes on from there, a blank between

Example = dict[str, np.ndarray | int | float]


@dataclass(frozen=True)
class EncodedSplit:
    """Token ids of one split's rows, and how many rows were longer than allowed."""

    examples: list[Example]
    truncated: int

    @property
    def lengths(self) -> np.ndarray:
        """Source tokens of each example."""
        return np.array([len(example["input_ids"]) for example in self.examples])  # type: ignore[arg-type]


def encode(
    task: Task,
    rows: list[Row],
    tokenizer: PreTrainedTokenizerBase,
    *,
    text_to_text: bool,
    targets: str,
    max_source_tokens: int,
    prompted: bool = False,
) -> EncodedSplit:
    """Tokenise rows: T5's source and target texts, or the columns as a sentence or a pair (the longer is cut first).

    ``prompted`` rows are a decoder's: the source text whatever answers, and behind it ``ASK``, which is never cut.
    Rows without a label (to be predicted) give examples without one.
    """
    examples: list[Example] = []
    truncated = 0
    ids = answer_ids(task, tokenizer, targets, prompted=prompted) if text_to_text else {}
    ask = continuation(tokenizer, "text", ASK) if prompted else ()
    target_ids = {answer: np.array(row, dtype=np.int32) for answer, row in ids.items()}
    for start in range(0, len(rows), TOKENIZE_ROWS):
        chunk = rows[start : start + TOKENIZE_ROWS]
        columns = [[row[column] for row in chunk] for column in task.columns]
        texts = [[task.source(row, targets) for row in chunk]] if text_to_text or prompted else columns
        tokens = tokenizer(*texts, truncation=True, max_length=max(1, max_source_tokens - len(ask)))
        truncated += sum(bool(encoding.overflowing) for encoding in tokens.encodings)
        for i, row in enumerate(chunk):
            example: Example = {
                key: np.array(tokens[key][i], dtype=np.int32)
                for key in ("input_ids", "token_type_ids")
                if key in tokens
            }
            if prompted:
                example = {"input_ids": prompt_ids(tokens["input_ids"][i], ask, tokenizer)}
            if "label" in row:
                example["label"] = row["label"]  # type: ignore[assignment]
                if text_to_text:
                    example["target_ids"] = target_ids[task.target(row["label"], targets)]  # type: ignore[arg-type]
            examples.append(example)
    return EncodedSplit(examples, truncated)


def prompt_ids(source: list[int], ask: tuple[int, ...], tokenizer: PreTrainedTokenizerBase) -> np.ndarray:
    """A decoder's prompt: the source's tokens, without an end that the tokenizer may have put there, and ``ASK``."""
    own = source[:-1] if source and source[-1] == tokenizer.eos_token_id else source
    return np.array([*own, *ask], dtype=np.int32)


def continuation(tokenizer: PreTrainedTokenizerBase, before: str, text: str) -> tuple[int, ...]:
    """The ids of a text as they follow what stands before it, where a word begins differently than at the start.

    Raises:
        InputError: the tokenizer does not cut between the two.
    """
    first, whole = (tokenizer(words, add_special_tokens=False)["input_ids"] for words in (before, before + text))
    if whole[: len(first)] != first:
        raise InputError(f"this tokenizer joins {before!r} and {text!r}: use backbone.answers=head or another backbone")
    return tuple(whole[len(first) :])


def answer_ids(
    task: Task, tokenizer: PreTrainedTokenizerBase, targets: str, *, prompted: bool = False
) -> dict[str, tuple[int, ...]]:
    """Ids of each answer, ending with the end-of-sequence id whatever the tokenizer adds by itself.

    Training targets and the strings that decoding may return both come from here. What goes on from a decoder's prompt
    needs no end, unless one answer is another's beginning: a label of one word is then one token.
    """
    if prompted:
        ids = {answer: continuation(tokenizer, ASK.strip(), f" {answer}") for answer in task.answers(targets)}
        begins = {row[:length] for row in ids.values() for length in range(1, len(row))}
        end = (tokenizer.eos_token_id,) if begins & set(ids.values()) else ()
        return _told_apart({answer: row + end for answer, row in ids.items()})
    ids = {answer: tuple(tokenizer(answer)["input_ids"]) for answer in task.answers(targets)}
    end = (tokenizer.eos_token_id,)
    return _told_apart({answer: row if row[-1:] == end else row + end for answer, row in ids.items()})


def _told_apart(ids: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """The same, unless two answers are one to the tokenizer, as names in letters that it does not know are."""
    first = {row: answer for answer, row in reversed(ids.items())}
    if same := [answer for answer, row in ids.items() if first[row] != answer]:
        raise InputError(
            f"the tokenizer writes {first[ids[same[0]]]!r} and {same[0]!r} alike, so that answers could not be told "
            "apart: use data.targets=digits, or give the classes other words (task.words)"
        )
    return ids


def collate(examples: list[Example], *, pad_id: int) -> dict[str, Tensor]:
    """Pad to the longest of the batch, on the right.

    Returns:
        input_ids, attention_mask and, if the tokenizer gives them, token_type_ids (B, S); labels (B,);
        target_ids (B, T).
    """
    batch = {"input_ids": _pad(examples, "input_ids", pad_id)}
    lengths = torch.tensor([len(example["input_ids"]) for example in examples])  # type: ignore[arg-type]
    batch["attention_mask"] = (torch.arange(batch["input_ids"].shape[1]) < lengths[:, None]).long()
    for key, value in (("token_type_ids", 0), ("target_ids", IGNORED)):
        if key in examples[0]:
            batch[key] = _pad(examples, key, value)
    if "label" in examples[0]:
        batch["labels"] = torch.tensor([example["label"] for example in examples])  # int64, or float32 for numbers
    return batch


def _pad(examples: list[Example], key: str, value: int) -> Tensor:
    rows = [torch.from_numpy(example[key]).long() for example in examples]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=value)


def length_batches(lengths: np.ndarray, batch_size: int, *, seed: int, epoch: int) -> list[list[int]]:
    """Batches of like length, in an order that is a function of (seed, epoch) alone.

    A permutation is cut into chunks of ``CHUNK_BATCHES`` batches, each chunk sorted by length and cut into batches, and
    the batches of all chunks shuffled.
    """
    rng = np.random.default_rng((seed, epoch))
    order = rng.permutation(len(lengths))
    chunks = np.split(order, range(CHUNK_BATCHES * batch_size, len(order), CHUNK_BATCHES * batch_size))
    in_order = [chunk[np.argsort(lengths[chunk], kind="stable")] for chunk in chunks]
    batches = [chunk[i : i + batch_size].tolist() for chunk in in_order for i in range(0, len(chunk), batch_size)]
    return [batches[i] for i in rng.permutation(len(batches))]


def share_of(examples: list[Example], rank: int, world: int) -> list[Example]:
    """The part of a batch that one of ``world`` processes computes; each computes all of a batch of fewer examples."""
    return examples[rank::world] if len(examples) >= world else examples


def share_facts(share: list[Example], examples: list[Example], world: int) -> dict[str, Tensor]:
    """What turns the mean loss of a share into that of its batch, once the processes have taken their mean.

    T5's loss is a mean over target tokens and others' over examples; a mean of the processes' means would be neither.

    Returns:
        share/loss_weight, the factor, and share/examples of the whole batch, both (); the sign / parts them from rows.
    """
    parts, whole = (sum(np.size(one.get("target_ids", 1)) for one in each) for each in (share, examples))
    weight = 1.0 if len(share) == len(examples) else world * parts / whole
    return {"share/loss_weight": torch.tensor(weight), "share/examples": torch.tensor(len(examples))}


@dataclass(frozen=True)
class BatchesFrom:
    """Batches of which the first ones are passed over but still count, so that the epoch has its length."""

    batches: list[list[int]]
    first: int

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.batches[self.first :])


def padding_share(lengths: np.ndarray, batches: list[list[int]]) -> float:
    """Share of the tokens in the batches that is padding."""
    return 1 - sum(int(lengths[b].sum()) for b in batches) / sum(len(b) * int(lengths[b].max()) for b in batches)
