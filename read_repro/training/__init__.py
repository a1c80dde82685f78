"""The one room where all meet: check, build, fit, test, record; and prediction with what was trained.

May import: every room above it (config, data, backbones, methods, measure, records, store, terminal).
"""
