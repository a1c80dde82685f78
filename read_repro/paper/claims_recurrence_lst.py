"""The claims of section 4 on READ without recurrence (Table 2) and on READ beside Ladder Side-Tuning (LST)."""

from read_repro.paper.claim import Claim, reaches

RECURRENCE = "Section 4, recurrence"
COMPARISON = "Section 4, comparison with LST"

WITHOUT_RECURRENCE = (
    Claim(
        RECURRENCE,
        "removal of recurrence does not significantly enhance READ quality (taken as at most half a point)",
        lambda cells: cells.average("read-unrolled", "table2") - cells.average("read", "table2"),
        lambda value: value <= 0.5,
    ),
    Claim(
        RECURRENCE,
        "and even diminishes quality for the T5-large backbone",
        lambda cells: cells.average("read-large-unrolled", "table2") - cells.average("read-large", "table2"),
        lambda value: value < 0,
    ),
    Claim(
        RECURRENCE,
        "without recurrence over 12 times more trainable parameters (T5-base)",
        lambda cells: cells.percent("read-unrolled", "table2") / cells.percent("read", "table2"),
        lambda value: round(value, 2) > 12,
    ),
    Claim(
        RECURRENCE,
        "the same on T5-large",
        lambda cells: cells.percent("read-large-unrolled", "table2") / cells.percent("read-large", "table2"),
        lambda value: round(value, 2) > 12,
    ),
)

AGAINST_LST = (
    Claim(
        COMPARISON,
        "READ outperforms LST on most tasks",
        lambda cells: cells.ahead("read", "lst"),
        lambda value: len(value) >= 4,
    ),
    Claim(
        COMPARISON,
        "except for a tiny task, MRPC (so on the six others)",
        lambda cells: cells.ahead("read", "lst"),
        lambda value: value == ["cola", "mnli", "qnli", "qqp", "sst2", "stsb"],
    ),
    Claim(
        COMPARISON,
        "using 80% less energy consumption",
        lambda cells: 1 - cells.energy("read") / cells.energy("lst"),
        lambda value: reaches(value, 0.8),
        "percent",
    ),
    Claim(
        COMPARISON,
        "and 60% less trainable parameters",
        lambda cells: 1 - cells.percent("read") / cells.percent("lst"),
        lambda value: reaches(value, 0.6),
        "percent",
    ),
    Claim(
        COMPARISON,
        "LST consumes 15% less peak training memory relative to READ",
        lambda cells: 1 - cells.memory("lst") / cells.memory("read"),
        lambda value: reaches(value, 0.15),
        "percent",
    ),
    Claim(
        COMPARISON,
        "LST takes 40% more inference memory than READ",
        lambda cells: cells.inference("lst") / cells.inference("read") - 1,
        lambda value: reaches(value, 0.4),
        "percent",
    ),
    Claim(
        COMPARISON,
        "and 77% longer inference time",
        lambda cells: cells.latency("lst") / cells.latency("read") - 1,
        lambda value: reaches(value, 0.77),
        "percent",
    ),
    Claim(
        COMPARISON,
        "even READ-large saves 38% GPU energy against LST",
        lambda cells: 1 - cells.energy("read-large") / cells.energy("lst"),
        lambda value: reaches(value, 0.38),
        "percent",
    ),
    Claim(
        COMPARISON,
        "READ-large yields a similar inference latency as LST (taken as within 25%)",
        lambda cells: cells.latency("read", "large") / cells.latency("lst"),
        lambda value: abs(value - 1) <= 0.25,
    ),
    Claim(
        COMPARISON,
        "with 1.4% relative gain on the averaged GLUE score",
        lambda cells: cells.average("read-large") / cells.average("lst") - 1,
        lambda value: round(100 * value, 1) >= 1.4,
        "percent",
    ),
)
