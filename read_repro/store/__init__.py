"""The store of frozen states: what a frozen backbone says of an example is computed once, whatever trains on it.

May import: backbones, records and config.
"""
