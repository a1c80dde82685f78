"""What is printed while people wait: a run's opening, its epochs, its end, and the progress of many runs.

May import: records; never torch or Hydra, because the first line has to come within a second.
"""
