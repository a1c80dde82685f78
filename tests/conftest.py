"""Tests compute on one thread: tiny models gain nothing from more, and lose much where others compute beside them."""

import torch
from hypothesis import settings

torch.set_num_threads(1)

# A deadline an example would test how busy the machine is.
settings.register_profile("read-repro", deadline=None)
settings.load_profile("read-repro")
