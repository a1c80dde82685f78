"""One file a method; ``base`` holds the only training loop.

May import: backbones and config, never data.
"""
