"""Print how fast the first-order recursion of READ's equation (2) approaches the true corrections as eps falls.

``slope encoder`` and ``slope decoder`` are 1 if the theory holds (MiniLM's blocks; T5 blocks of T5-small's width with
T5 v1.1's smooth feed-forward). ``relu slope`` is the same decoder with the original T5's ReLU: its kinks bend the
slope to about 1/2. ``control slope`` is the smooth decoder with the cross-attention term forgotten: the error stays.
The reasons are in ``read_repro.theory``, the derivation and the plots in ``notebooks/theory.ipynb``.
"""

import argparse
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from transformers import T5Config
from transformers.utils import logging

from read_repro.backbones.build import load_model
from read_repro.methods.from_conf import load_checkpoint
from read_repro.theory import Stack, bert_stack, curve, decoder_errors, encoder_errors, slope, t5_stacks

SENTENCES = [
    "The backbone is read, never changed.",
    "A small network beside it learns what a fine-tuned copy would have answered differently.",
    "How small must a change be before a straight line describes it?",
]
SCALES = [10 ** -(2 + half_decades / 2) for half_decades in range(7)]  # 1e-2 .. 1e-5: three decades


def minilm(rank: int, generator: torch.Generator) -> Stack:
    """MiniLM's six real blocks, on sentences of unlike length, so that the padding mask takes part."""
    checkpoint = load_checkpoint("minilm")
    model = load_model(checkpoint)
    model.set_attn_implementation("eager")
    batch = checkpoint.tokenizer(lambda: [])(SENTENCES, padding=True, return_tensors="pt")
    return bert_stack(model, dict(batch), rank=rank, generator=generator)


def t5(feed_forward: str, rank: int, generator: torch.Generator) -> tuple[Stack, Stack]:
    """Random T5 blocks of T5-small's width, with a million hidden units in all: at every eps some are at a kink."""
    config = T5Config(
        vocab_size=512,
        d_model=512,
        d_kv=64,
        num_heads=8,
        d_ff=2048,
        num_layers=4,
        num_decoder_layers=4,
        feed_forward_proj=feed_forward,
    )
    return t5_stacks(config, tokens=(32, 32), batch_size=2, rank=rank, generator=generator)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rank", type=int, default=8, help="rank of the perturbation (default 8, the paper's smaller)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the perturbation and of T5's random weights")
    arguments = parser.parse_args()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.manual_seed(arguments.seed)
    generator = torch.Generator().manual_seed(arguments.seed)

    def report(name: str, errors: Callable[..., Tensor]) -> None:
        value = slope(SCALES, curve(lambda scale: errors(scale=scale), SCALES))
        print(f"{name} {round(value, 2) + 0.0:.2f}", flush=True)  # + 0.0: never "-0.00"

    report("slope encoder", partial(encoder_errors, minilm(arguments.rank, generator)))
    smooth = t5("gated-gelu", arguments.rank, generator)
    report("slope decoder", partial(decoder_errors, *smooth, cross=True))
    report("relu slope", partial(decoder_errors, *t5("relu", arguments.rank, generator), cross=True))
    report("control slope", partial(decoder_errors, *smooth, cross=False))


if __name__ == "__main__":
    main()
