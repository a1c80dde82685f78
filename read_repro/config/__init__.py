"""The configuration as plain, checked values: the files of conf/ without Hydra, the schema, a run's fingerprint.

May import: errors and hub, no other room.
"""
