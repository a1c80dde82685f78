"""A trained run as a function from texts to labels, in Python and as a command, for one text or a file of them.

May import: training and what that may import; never sweep, tables or figures.
"""
