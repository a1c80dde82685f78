"""What a run costs: energy by Eq. (4), measured and planned memory, parameter counts.

May import: methods, backbones, records, paper, config.
"""
