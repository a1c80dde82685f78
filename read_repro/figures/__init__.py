"""The paper's figures and the HTML report, drawn from records.

May import: tables, records and paper; never torch or Hydra.
"""
