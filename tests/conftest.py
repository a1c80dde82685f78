"""Tests compute on one thread: tiny models gain nothing from more, and lose much where others compute beside them."""

import torch

torch.set_num_threads(1)
