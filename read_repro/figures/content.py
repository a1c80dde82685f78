"""The paper's Figures 1, 2, 5 and 6, of our records."""

from read_repro.figures.energy_figures import figure_1, figure_2
from read_repro.figures.figure import Drawing
from read_repro.figures.size_figures import figure_5, figure_6
from read_repro.tables.load import Store


def drawings(store: Store) -> list[Drawing]:
    """Every figure in the paper's order."""
    return [figure_1(store), figure_2(store), figure_5(store), figure_6(store)]
