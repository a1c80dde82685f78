"""The claims of the abstract, of sections 1 and 6, and of section 4's "READ outperforms other methods"."""

from statistics import fmean

from read_repro.paper import TASKS
from read_repro.paper.claim import BASELINES, PETL, Claim, reaches

OUTPERFORMS = "Section 4, READ outperforms other methods"

ABSTRACT = (
    Claim(
        "Abstract",
        "READ can achieve a 56% reduction in the training memory consumption",
        lambda cells: 1 - cells.memory("read") / cells.memory("full"),
        lambda value: reaches(value, 0.56),
        "percent",
    ),
    Claim(
        "Abstract",
        "the same, measured on the reference GPU",
        lambda cells: 1 - cells.gpu_memory("read") / cells.gpu_memory("full"),
        lambda value: reaches(value, 0.56),
        "percent",
    ),
    Claim(
        "Abstract",
        "an 84% reduction in the GPU energy usage",
        lambda cells: 1 - cells.energy("read") / cells.energy("full"),
        lambda value: reaches(value, 0.84),
        "percent",
    ),
    Claim(
        "Abstract",
        "the same a training step, on the reference GPU by Eq. (4)",
        lambda cells: 1 - cells.step_energy("read") / cells.step_energy("full"),
        lambda value: reaches(value, 0.84),
        "percent",
    ),
    Claim(
        "Abstract",
        "retaining high model quality compared to full-tuning (taken as at most half a point lower)",
        lambda cells: cells.average("read") - cells.average("full"),
        lambda value: value >= -0.5,
    ),
    Claim(
        "Abstract",
        "the model size of READ does not grow with the backbone model size (T5-large over T5-base)",
        lambda cells: cells.cell("table1", "read-large", "trainable") / cells.cell("table1", "read", "trainable"),
        lambda value: round(value, 2) <= 1,
    ),
    Claim(
        "Sections 1 and 6",
        "saving more than 84% on energy consumption",
        lambda cells: 1 - cells.energy("read") / cells.energy("full"),
        lambda value: value > 0.84,
        "percent",
    ),
    Claim(
        "Section 4",
        "every method other than READ is not memory-efficient, LST apart (taken as saving less than half of "
        "full-tuning's training memory)",
        lambda cells: 1 - min(map(cells.memory, PETL)) / cells.memory("full"),
        lambda value: value < 0.5,
        "percent",
    ),
)

READ_OUTPERFORMS = (
    Claim(
        OUTPERFORMS,
        "READ outperforms other methods (the heading, all of them on T5-base)",
        lambda cells: cells.average("read") - max(map(cells.average, BASELINES)),
        lambda value: value > 0,
    ),
    Claim(
        OUTPERFORMS,
        "reduce GPU energy consumption by up to 90% compared to full-tuning (the best task)",
        lambda cells: 1 - min(cells.task_energy("read", task) / cells.task_energy("full", task) for task in TASKS),
        lambda value: reaches(value, 0.9),
        "percent",
    ),
    Claim(
        OUTPERFORMS,
        "lowers the GPU memory footprint by 56%",
        lambda cells: 1 - cells.memory("read") / cells.memory("full"),
        lambda value: reaches(value, 0.56),
        "percent",
    ),
    Claim(
        OUTPERFORMS,
        "while retaining the same model accuracy (taken as at most half a point lower than full-tuning)",
        lambda cells: cells.average("read") - cells.average("full"),
        lambda value: value >= -0.5,
    ),
    Claim(
        OUTPERFORMS,
        "LoRA, BitFit or Adapter do not reduce the compute cost (taken as energy, on average under 5% less than full)",
        lambda cells: 1 - fmean(map(cells.energy, ("lora", "bitfit", "adapter"))) / cells.energy("full"),
        lambda value: value < 0.05,
        "percent",
    ),
    Claim(
        OUTPERFORMS,
        "excluding Adapter, READ outperforms all parameter-efficient methods",
        lambda cells: cells.average("read") - max(map(cells.average, ("lora", "bitfit", "prompt", "lst"))),
        lambda value: value > 0,
    ),
    Claim(
        OUTPERFORMS,
        "while consuming at least 68% less energy",
        lambda cells: 1 - cells.energy("read") / min(map(cells.energy, ("lora", "bitfit", "prompt", "lst"))),
        lambda value: reaches(value, 0.68),
        "percent",
    ),
    Claim(
        OUTPERFORMS,
        "compared to Adapter, less than 0.1% lower accuracy",
        lambda cells: 1 - cells.average("read") / cells.average("adapter"),
        lambda value: value < 0.001,
        "percent",
    ),
    Claim(
        OUTPERFORMS,
        "while using 70% less energy than Adapter",
        lambda cells: 1 - cells.energy("read") / cells.energy("adapter"),
        lambda value: reaches(value, 0.7),
        "percent",
    ),
    Claim(
        OUTPERFORMS,
        "READ-large achieves better performance than all other methods",
        lambda cells: cells.average("read-large") - max(map(cells.average, (*BASELINES, "read"))),
        lambda value: value > 0,
    ),
    Claim(
        OUTPERFORMS,
        "READ-large consumes similar or less energy compared to other methods (taken as at most 5% over the least)",
        lambda cells: cells.energy("read-large") / min(map(cells.energy, BASELINES)),
        lambda value: value <= 1.05,
    ),
    Claim(
        OUTPERFORMS,
        "READ-large outperforms Full-tuning by 1.4%",
        lambda cells: cells.average("read-large") / cells.average("full") - 1,
        lambda value: round(100 * value, 1) >= 1.4,
        "percent",
    ),
    Claim(
        OUTPERFORMS,
        "READ-large outperforms Adapter by 0.8%",
        lambda cells: cells.average("read-large") / cells.average("adapter") - 1,
        lambda value: round(100 * value, 1) >= 0.8,
        "percent",
    ),
    Claim(
        OUTPERFORMS,
        "READ-large uses 69% less energy than Full-tuning",
        lambda cells: 1 - cells.energy("read-large") / cells.energy("full"),
        lambda value: reaches(value, 0.69),
        "percent",
    ),
    Claim(
        OUTPERFORMS,
        "READ-large uses 5% less energy than Adapter",
        lambda cells: 1 - cells.energy("read-large") / cells.energy("adapter"),
        lambda value: reaches(value, 0.05),
        "percent",
    ),
)
