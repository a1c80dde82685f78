"""READ for any model of transformers: wrapped, trained by anybody's trainer, saved, published and loaded again.

May import: methods, backbones, measure, records, config.
"""
