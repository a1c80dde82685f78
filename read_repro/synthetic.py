"""Seven tasks in GLUE's schema from a small grammar: seeded, offline, for demonstrations and tests, never for claims.

A label turns on relations (who did what to whom, scope, agreement, attribution, monotonicity): classes are balanced and
share their words, so no word decides, nor does the set of words. Splits share the grammar and no example;
``validation_mismatched`` speaks of other people than train does.

TABLE
"""

import random
from collections.abc import Callable
from typing import Any

from read_repro.errors import InputError

Row = dict[str, Any]

PEOPLE = "nurse pilot farmer lawyer painter baker sailor teacher doctor singer driver waiter soldier tailor".split()
STRANGERS = "judge monk clerk miner dancer guard captain artist chef priest scout writer banker porter".split()
DEEDS = "followed praised visited helped called hired warned thanked blamed trained rescued ignored".split()
ACTS = "smiled slept danced sang waited laughed".split()
PLACES = ["near the lake", "in the garden", "behind the church", "at the station", "on the bridge", "in the market"]
TIMES = ["on Monday", "on Friday", "last week", "this morning", "in March", "after lunch"]
QUALITIES = [  # (synonyms, antonyms of these)
    (("sad", "unhappy"), ("happy", "cheerful")),
    (("rich", "wealthy"), ("poor", "penniless")),
    (("fat", "stout"), ("thin", "slim")),
    (("quiet", "silent"), ("loud", "noisy")),
    (("brave", "fearless"), ("timid", "cowardly")),
    (("clever", "smart"), ("stupid", "foolish")),
]
QUANTIFIERS = {  # of a premise: of its entailments, of what it leaves open, of its contradictions (there are nurses)
    "every": (["some"], [], ["no", "not every"]),
    "some": ([], ["every", "not every"], ["no"]),
    "no": (["not every"], [], ["some", "every"]),
}
CITIES = "Paris Rome Berlin Madrid London Vienna Prague Dublin Lisbon Athens Moscow Cairo".split()
MODES = [("fly", "by plane"), ("drive", "by car"), ("cycle", "by bike"), ("sail", "by boat")]
MONTHS = "January March April June July August October December".split()
THINGS = "horse piano sofa bicycle table barrel stove trunk canoe mirror statue ladder".split()
COMPARED = [("heavier", "lighter"), ("larger", "smaller"), ("newer", "older"), ("cheaper", "dearer")]
ASPECTS = "script plot cast music acting photography ending dialogue story pace".split()
PRAISE = "brilliant moving funny clever charming gripping superb fresh".split()
SCORN = "dull boring clumsy awful stupid tedious weak stale".split()


def _cola(rng: random.Random, label: int, people: list[str]) -> Row:
    """Agreement of verb or reflexive across an attractor; or a polarity item within or beyond its licenser's scope."""
    (a, b), many, place, time = rng.sample(people, 2), rng.randrange(2), rng.choice(PLACES), rng.choice(TIMES)
    subject, attractor = (f"{a}s", b) if many else (a, f"{b}s")
    chosen, (deed, other) = (many if label else 1 - many), rng.sample(DEEDS, 2)
    was, self = ("was", "were")[chosen], ("himself", "themselves")[chosen]
    outer, inner = ("No", "the") if label else ("The", "no")
    forms = (
        f"The {subject} who {deed} the {attractor} {place} {was} {rng.choice(QUALITIES)[0][0]} {time}.",
        f"The {subject} who {deed} the {attractor} {place} {other} {self} {time}.",
        f"{outer} {a} who {inner} {b} {deed} {place} has ever {other} us {time}.",
    )
    return {"sentence": rng.choice(forms)}


def _sst2(rng: random.Random, label: int, people: list[str]) -> Row:
    """Two clauses of opposite verdicts, each perhaps negated: the main clause decides, not the conceded one."""

    def clause(aspect: str, good: int) -> str:
        negated = rng.randrange(2)
        how = rng.choice(("not", "never") if negated else ("so", "always"))
        return f"the {aspect} was {how} {rng.choice(PRAISE if good != negated else SCORN)}"

    first, second = rng.sample(ASPECTS, 2)
    main, conceded = clause(first, label), clause(second, 1 - label)
    forms = (f"even though {conceded}, I think that {main}", f"I think that {main}, even though {conceded}")
    return {"sentence": _sentence(rng.choice(forms))}


def _qnli(rng: random.Random, label: int, people: list[str]) -> Row:
    """Every word of the question is in the sentence; the question is answered if its person has that role in that deed."""
    (a, b, c, d), (first, second) = rng.sample(people, 4), rng.sample(DEEDS, 2)
    sentence = f"the {a} {first} the {b} and the {c} {second} the {d} {rng.choice(PLACES)}."
    deed, agent, patient, other = rng.choice([(first, a, b, rng.choice((c, d))), (second, c, d, rng.choice((a, b)))])
    if label:
        agent, patient = rng.choice([(patient, agent), (other, other)])
    return {
        "question": rng.choice([f"Who {deed} the {patient}?", f"Who was {deed} by the {agent}?"]),
        "sentence": _sentence(sentence),
    }


def _mrpc(rng: random.Random, label: int, people: list[str]) -> Row:
    """The same event told again, or with the two people's roles or their attributes exchanged."""
    (a, b), (x, y), deed = (
        rng.sample(people, 2),
        (rng.choice(q[0]) for q in rng.sample(QUALITIES, 2)),
        rng.choice(DEEDS),
    )
    agent, patient = f"{x} {a}", f"{y} {b}"
    told = f"The {agent} {deed} the {patient} {rng.choice(PLACES)}."
    if not label:
        agent, patient = rng.choice([(patient, agent), (f"{y} {a}", f"{x} {b}")])
    again = rng.choice([f"The {patient} was {deed} by the {agent}.", f"It was the {agent} who {deed} the {patient}."])
    return {"sentence1": told, "sentence2": again}


def _qqp(rng: random.Random, label: int, people: list[str]) -> Row:
    """The same journey or the way back; the same comparison or its converse."""
    if rng.randrange(2):
        (a, b), (verb, mode), month = rng.sample(CITIES, 2), rng.choice(MODES), rng.choice(MONTHS)
        start, end = (a, b) if label else (b, a)
        asked = f"How long does it take to {verb} from {a} to {b} in {month}?"
        return {"question1": asked, "question2": f"How long is the trip from {start} to {end} {mode}?"}
    (x, y), (more, less) = rng.sample(THINGS, 2), rng.sample(rng.choice(COMPARED), 2)
    again = rng.choice([(y, less, x), (x, more, y)] if label else [(x, less, y), (y, more, x)])
    return {
        "question1": f"Is a {x} usually {more} than a {y}?",
        "question2": f"Would you say that a {again[0]} is {again[1]} than a {again[2]}?",
    }


def _stsb(rng: random.Random, label: int, people: list[str]) -> Row:
    """Of five parts of an event (agent, deed, patient, place, time) as many are the same as the label says."""
    parts = [rng.sample(slot, 2) for slot in (DEEDS, PLACES, TIMES)]
    who = rng.sample(people, 4)
    parts += [who[:2], who[2:]]
    same = rng.sample(range(5), label)
    deed, place, time, a, b = (part[0] for part in parts)
    deed2, place2, time2, a2, b2 = (part[index not in same] for index, part in enumerate(parts))
    return {
        "sentence1": f"The {a} {deed} the {b} {place} {time}.",
        "sentence2": _sentence(f"{time2} the {b2} was {deed2} by the {a2} {place2}."),
    }


def _mnli(rng: random.Random, label: int, people: list[str]) -> Row:
    """Attribution, scope of negation, or quantifiers: 0 follows, 1 is left open, 2 is excluded."""
    return rng.choice((_attribution, _scope, _quantity))(rng, label, people)


def _attribution(rng: random.Random, label: int, people: list[str]) -> Row:
    """One of two people again: by a synonym, by what was said of the other one (or its antonym), by an antonym."""
    (a, b), (own, other), deed = rng.sample(people, 2), rng.sample(QUALITIES, 2), rng.choice(DEEDS)
    side = rng.randrange(2)
    x, y = rng.choice(own[side]), rng.choice(rng.choice(other))
    z = rng.choice((own[side], rng.choice(other), own[1 - side])[label])
    told, again = [(f"the {x} {a}", f"the {z} {a}"), (f"the {y} {b}", f"the {b}")], rng.randrange(2)
    (agent, agent2), (patient, patient2) = told[again], told[1 - again]
    return {
        "premise": _sentence(f"{agent} {deed} {patient} {rng.choice(PLACES)}."),
        "hypothesis": _sentence(f"{patient2} was {deed} by {agent2}."),
    }


def _scope(rng: random.Random, label: int, people: list[str]) -> Row:
    """The negation reaches one of two people; what the other direction of the deed was is left open."""
    (a, b, c), deed = rng.sample(people, 3), rng.choice(DEEDS)
    both = rng.choice([f"the {a} and not the {b}", f"not the {b} but the {a}"])
    acts = rng.randrange(2) == 1  # whether a and b are the agents
    told = f"{both} {deed} the {c}" if acts else f"the {c} {deed} {both}"
    one = (a, rng.choice((a, b)), b)[label]
    agent, patient = (one, c) if acts == (label != 1) else (c, one)
    again = rng.choice([f"the {agent} {deed} the {patient}.", f"the {patient} was {deed} by the {agent}."])
    return {"premise": _sentence(f"{told} {rng.choice(PLACES)}."), "hypothesis": _sentence(again)}


def _quantity(rng: random.Random, label: int, people: list[str]) -> Row:
    """Another quantifier, or the same one over fewer or more: `some` goes up, `every` and `no` go down."""
    who, acts, which = rng.sample(people, 2), rng.sample(ACTS, 2), rng.randrange(2)
    first = [rng.choice(list(QUANTIFIERS)) for _ in who]
    options = QUANTIFIERS[first[which]][label]
    told, again, quality = list(who), who[which], rng.choice(rng.choice(rng.choice(QUALITIES)))
    second = rng.choice(options or [first[which]])
    if not options or (label != 2 and rng.randrange(2)):
        second = first[which]
        if (second == "some") == (label == 0):
            told[which] = f"{quality} {told[which]}"
        else:
            again = f"{quality} {again}"
    clauses = [f"{quantifier} {person} {act}" for quantifier, person, act in zip(first, told, acts, strict=True)]
    premise = f"{' and '.join(clauses)} {rng.choice(PLACES)} {rng.choice(TIMES)}."
    return {"premise": _sentence(premise), "hypothesis": _sentence(f"{second} {again} {acts[which]}.")}


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:].removesuffix(".") + "."


# Builder, number of classes (of grades for STS-B) and evaluation splits of each task.
TASKS: dict[str, tuple[Callable[[random.Random, int, list[str]], Row], int, tuple[str, ...]]] = {
    "cola": (_cola, 2, ("validation",)),
    "mnli": (_mnli, 3, ("validation_matched", "validation_mismatched")),
    "mrpc": (_mrpc, 2, ("validation",)),
    "qnli": (_qnli, 2, ("validation",)),
    "qqp": (_qqp, 2, ("validation",)),
    "sst2": (_sst2, 2, ("validation",)),
    "stsb": (_stsb, 6, ("validation",)),
}


def generate(task: str, *, seed: int = 42, train: int = 4000, evaluation: int = 600) -> dict[str, list[Row]]:
    """Generate a task's splits: name of the hub's split -> rows in its columns, ``label`` and ``idx`` included.

    The evaluation splits do not depend on ``train``, and no two rows anywhere have the same text.

    Args:
        task: one of ``TASKS``.
        seed: of the generator; the same everywhere for the same seed.
        train: rows of the training split.
        evaluation: rows of each other split.

    Raises:
        InputError: a task that has no grammar here.
    """
    if task not in TASKS:
        raise InputError(f"task={task} has no synthetic form: choose one of {', '.join(TASKS)}")
    evaluations, seen = TASKS[task][2], set[tuple[str, ...]]()
    splits = {name: _split(task, name, rows=evaluation, seed=seed, seen=seen) for name in evaluations}
    return {"train": _split(task, "train", rows=train, seed=seed, seen=seen), **splits}


def _split(task: str, name: str, *, rows: int, seed: int, seen: set[tuple[str, ...]]) -> list[Row]:
    """Rows of one split, every class alike often, none whose text is in ``seen``."""
    build, classes, _ = TASKS[task]
    rng = random.Random(f"{seed} {task} {name}")  # by a text: the same in every process
    labels = [index % classes for index in range(rows)]
    rng.shuffle(labels)
    people, examples = (STRANGERS if name.endswith("mismatched") else PEOPLE), []
    for index, label in enumerate(labels):
        example = build(rng, label, people)
        while tuple(example.values()) in seen:
            example = build(rng, label, people)
        seen.add(tuple(example.values()))
        examples.append({**example, "label": float(label) if task == "stsb" else label, "idx": index})
    return examples
