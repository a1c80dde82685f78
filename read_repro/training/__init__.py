"""The one room where all meet: check, build, fit, test, record.

May import: every room above it (config, data, backbones, methods, measure, records, store, terminal).
"""
