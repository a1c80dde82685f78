"""Many runs: what an experiment consists of, in which state each run is, and where runs happen.

May import: records, terminal, data, backbones, config; measure only inside functions (it needs torch).
"""
