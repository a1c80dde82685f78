"""READ: Recurrent Adaptation of Large Transformers (arXiv 2305.15348), beside the methods it is compared with."""

__version__ = "0.1.0"
