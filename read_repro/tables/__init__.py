"""``make tables``: records averaged into the paper's Tables 1 to 3, its claims, and what reviewers asked for.

May import: records and paper; never torch or Hydra.
"""
