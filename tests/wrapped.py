"""Tiny models of every family as an Auto class of transformers makes them, with a batch each, and READ beside them."""

from typing import Any

import torch
import transformers
from families import VOCABULARY, model
from torch import Tensor, nn

from read_repro import ReadConfig, ReadModel, get_read_model
from read_repro.backbones.architectures import ARCHITECTURES, of_kind

SEQ, TOKEN, QA = (
    f"AutoModelFor{task}" for task in ("SequenceClassification", "TokenClassification", "QuestionAnswering")
)
TEXT, CAUSAL, MASKED = (f"AutoModelFor{task}" for task in ("Seq2SeqLM", "CausalLM", "MaskedLM"))
FORMS = [
    *((name, SEQ) for name in ARCHITECTURES),
    *((name, TEXT) for name in of_kind("encoder-decoder")),
    *((name, CAUSAL) for name in of_kind("decoder")),
    *(("bert", task) for task in (TOKEN, QA, MASKED, "AutoModel")),
    ("llama", TOKEN),
    ("t5", "AutoModel"),
]


def base_of(model_type: str, auto_class: str, **changes: Any) -> Any:
    """A model with random weights, its head for three classes."""
    labels = {"num_labels": 3} if auto_class in (SEQ, TOKEN) else {}
    return model(model_type, getattr(transformers, auto_class), **labels, **changes)


def wrapped(model_type: str, auto_class: str, *, awake: bool = True, **settings: Any) -> ReadModel:
    """READ beside such a model; ``awake``, its output is not zero any more."""
    torch.manual_seed(1)
    read = get_read_model(base_of(model_type, auto_class), ReadConfig(**{"hidden": 8, **settings}))
    return wake(read) if awake else read


def wake(read: ReadModel) -> ReadModel:
    """Give the zero-initialised output something to say."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for side in read.active.side.values():
            for up in side.up:
                up.weight.normal_(generator=generator)
                up.bias.normal_(generator=generator)
    return read


def inputs_for(model_type: str, auto_class: str, *, rows: int = 3, labels: bool = True) -> dict[str, Tensor]:
    """A batch for such a model, its last texts shorter."""
    generator = torch.Generator().manual_seed(3)

    def tokens(length: int) -> Tensor:
        return torch.randint(3, VOCABULARY, (rows, length), generator=generator)

    ids, mask = tokens(7), torch.ones(rows, 7, dtype=torch.long)
    ids[:, -1] = 1  # transformers' T5 classifies at its end token, of which each text has one
    if model_type not in of_kind("encoder-decoder"):
        mask[-1, 5:] = 0
        ids = torch.where(mask.bool(), ids, 1 if "roberta" in model_type or model_type == "camembert" else 0)
    batch = {"input_ids": ids, "attention_mask": mask}
    if auto_class == "AutoModel":
        return batch | ({"decoder_input_ids": tokens(4)} if model_type in of_kind("encoder-decoder") else {})
    if not labels:
        return batch
    if auto_class == QA:
        return batch | {
            "start_positions": torch.tensor([0, 1, 2][:rows]),
            "end_positions": torch.tensor([3, 3, 4][:rows]),
        }
    wanted = {SEQ: torch.arange(rows) % 3, TEXT: tokens(4), CAUSAL: ids, MASKED: ids, TOKEN: ids % 3}
    return batch | {"labels": wanted[auto_class]}


def answer(output: Any) -> Tensor:
    """What a model says: logits, or states where it has no head."""
    return next(output[name] for name in ("logits", "start_logits", "last_hidden_state") if name in output)


def loss_of(output: Any) -> Tensor:
    """A number that gradients can be taken of."""
    return output.loss if "loss" in output else answer(output).square().mean()


def own_weights(read: nn.Module) -> dict[str, Tensor]:
    """The weights of the base, which nothing may change."""
    return {name: weight.detach().clone() for name, weight in read.named_parameters() if name.startswith("base.")}
