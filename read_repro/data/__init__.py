"""From a task's rows to padded batches: tasks, sources, the paper's splits, tokens, metrics.

May import: config.
"""
