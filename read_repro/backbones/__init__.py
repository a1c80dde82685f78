"""Pre-trained transformers behind one interface: where weights are, T5, BERT, and the pass without a graph.

May import: config.
"""
