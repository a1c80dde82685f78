"""The claims of section 4 on training memory, on READ's size as the backbone grows ("scalable"), and on inference."""

from math import log
from statistics import fmean

from read_repro.paper.claim import BASELINES, PETL, SIZES, Claim, decreasing, reaches

MEMORY = "Section 4, training memory"
SCALABLE = "Section 4, scalable"
INFERENCE = "Section 4, inference"

TRAINING_MEMORY = (
    Claim(
        MEMORY,
        "at least 25% less training memory compared to all the other baselines",
        lambda cells: 1 - cells.memory("read") / min(map(cells.memory, BASELINES)),
        lambda value: reaches(value, 0.25),
        "percent",
    ),
    Claim(
        MEMORY,
        "while achieving similar or better performance (taken as at most half a point under the best baseline)",
        lambda cells: cells.average("read") - max(map(cells.average, BASELINES)),
        lambda value: value >= -0.5,
    ),
    Claim(
        MEMORY,
        "at least 25% less without LST, which the paper itself puts 15% under READ",
        lambda cells: 1 - cells.memory("read") / min(map(cells.memory, ("full", *PETL))),
        lambda value: reaches(value, 0.25),
        "percent",
    ),
    Claim(
        MEMORY,
        "READ on T5-large consumes a similar amount of memory as full-tuning on T5-base (taken as within 10%)",
        lambda cells: cells.memory("read", "large") / cells.memory("full"),
        lambda value: abs(value - 1) <= 0.1,
    ),
    Claim(
        MEMORY,
        "savings against the other PETL methods grow with the backbone (READ over their mean falls from small to 3B)",
        lambda cells: [cells.memory("read", size) / fmean(cells.memory(m, size) for m in PETL) for size in SIZES],
        lambda value: decreasing(value),
    ),
    Claim(
        MEMORY,
        "at T5-3B the savings against the other PETL methods reach as high as 43%",
        lambda cells: 1 - cells.memory("read", "3b") / max(cells.memory(method, "3b") for method in PETL),
        lambda value: reaches(value, 0.43),
        "percent",
    ),
)

SIZE = (
    Claim(
        SCALABLE,
        "READ's trainable parameters scale more slowly than the other PETL methods' (growth, T5-small to T5-large, "
        "over the least of theirs)",
        lambda cells: (
            cells.trainable("read", "large")
            / cells.trainable("read", "small")
            / min(cells.trainable(method, "large") / cells.trainable(method, "small") for method in PETL)
        ),
        lambda value: value < 1,
    ),
    Claim(
        SCALABLE,
        "READ's parameters grow log-linearly with the backbone (exponent from T5-small to T5-large below 1)",
        lambda cells: (
            log(cells.trainable("read", "large") / cells.trainable("read", "small"))
            / log(cells.size("large") / cells.size("small"))
        ),
        lambda value: value < 1,
    ),
    Claim(
        SCALABLE,
        "READ's tunable size is independent from the number of backbone layers (6, 12 and 24: equal steps of width, "
        "512, 768, 1024, give equal steps of size)",
        lambda cells: (
            (cells.trainable("read", "large") - cells.trainable("read", "base"))
            / (cells.trainable("read", "base") - cells.trainable("read", "small"))
        ),
        lambda value: abs(value - 1) <= 0.01,
    ),
)

AT_INFERENCE = (
    Claim(
        INFERENCE,
        "comparable inference memory as the other PETL methods (taken as within 5% of their mean, T5-base)",
        lambda cells: cells.inference("read") / fmean(map(cells.inference, PETL)),
        lambda value: value <= 1.05,
    ),
    Claim(
        INFERENCE,
        "comparable inference latency as the other PETL methods (taken as within 10% of their mean, T5-base)",
        lambda cells: cells.latency("read") / fmean(map(cells.latency, PETL)),
        lambda value: value <= 1.1,
    ),
    Claim(
        INFERENCE,
        "READ's inference memory growth over full-tuning becomes less noticeable as the backbone grows (small to 3B)",
        lambda cells: [cells.inference("read", size) / cells.inference("full", size) - 1 for size in SIZES],
        lambda value: decreasing(value),
        "percent",
    ),
    Claim(
        INFERENCE,
        "and decays to a similar extent as the other methods at T5-large (taken as within one point of Adapter's "
        "growth)",
        lambda cells: (
            (cells.inference("read", "large") - cells.inference("adapter", "large")) / cells.inference("full", "large")
        ),
        lambda value: abs(value) <= 0.01,
        "percent",
    ),
)
