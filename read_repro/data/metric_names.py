"""Which metrics there are and what they score; their arithmetic is in ``metrics``, which takes a second to import."""

from read_repro.errors import InputError
from read_repro.foreign import shown

METRIC_PARTS = {  # by metric, the parts whose mean is a task's one number
    "accuracy": ("accuracy",),
    "macro_f1": ("macro_f1",),
    "matthews": ("matthews",),
    "f1": ("f1",),
    "accuracy_f1": ("accuracy", "f1"),
    "pearson": ("pearson",),
    "spearman": ("spearman",),
    "pearson_spearman": ("pearson", "spearman"),
}
OF_NUMBERS = ("pearson", "spearman", "pearson_spearman")  # all others score classes
OF_TWO_CLASSES = ("f1", "accuracy_f1")  # F1 is that of the class of id 1


def check_metric(task: str, metric: str, *, classes: int) -> None:
    """Refuse a metric that does not exist, or does not fit so many classes (0: numbers).

    Raises:
        InputError: naming those that fit.
    """
    fitting = [
        name
        for name in METRIC_PARTS
        if (name in OF_NUMBERS) == (classes == 0) and (classes == 2 or name not in OF_TWO_CLASSES)
    ]
    if metric in fitting:
        return
    kind = f"{classes} classes" if classes else "numbers"
    what = "does not fit" if metric in METRIC_PARTS else "is unknown; for"
    raise InputError(f"task {task}: metric={shown(metric)} {what} {kind}; allowed: {', '.join(fitting)}")
