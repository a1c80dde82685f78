"""Seven tasks in GLUE's schema, made by a small grammar: seeded and offline, for demonstrations and tests.

They are no evidence for any claim of the paper. A label depends on how the words of an example relate to each other,
and no single word gives it away: the classes are balanced and share their words. The splits share the grammar and no
example; ``validation_mismatched`` speaks of other people than the training split. The table says what each label
depends on and the score on the first 400 examples of the task's first evaluation split (MiniLM, AdamW, learning rate
3e-3, batch 32, READ with a GRU of H=128, seed 0); a dash was not measured.

    task  its label depends on                                       train x epochs  head  READ  full
    cola  agreement with a distant subject; "ever" within reach of "no"           -     -     -     -
    mnli  same, opposite or unrelated quality; number; quantifiers         2000 x 8  44.5  73.2     -
    mrpc  synonym or antonym; who did it to whom                           1500 x 7  56.4  58.0     -
    qnli  who had which part in which of two deeds                                -     -     -     -
    qqp   direction of a journey; a comparison turned round                       -     -     -     -
    sst2  negation; which of two clauses is only conceded                         -     -     -     -
    stsb  how many of five parts of an event are the same                         -     -     -     -

The form of mnli was chosen after scores were seen: of six designs that were tried with the head and with READ, it is
one where READ gained. The others came to 35 to 67 for READ and 31 to 64 for the head; one with 99 and 57 was dropped,
because the mere set of words gave its label away. So the gap shows that the code works, and is no evidence for READ.

Where a label turns on sameness, the unordered set of an example's words does tell something of it (a word that is not
said again). The tests bound how much, task by task; those bounds, too, were set after the scores were seen.
"""

import random
from collections.abc import Callable

from read_repro.data.synthetic_words import (
    ACTS,
    ASPECTS,
    CITIES,
    COMPARED,
    DEEDS,
    MODES,
    MONTHS,
    NUMBERS,
    PEOPLE,
    PLACES,
    PRAISE,
    QUALITIES,
    QUANTIFIERS,
    SCORN,
    STRANGERS,
    THINGS,
    TIMES,
)
from read_repro.data.tasks import Row
from read_repro.errors import InputError


def _cola(rng: random.Random, label: int, people: list[str]) -> Row:
    """Acceptable (1) or not (0).

    In the first two forms a verb or a reflexive agrees with its subject or, when it should not, with the noun between
    the two, which has the other number. In the third, "ever" needs a "no" at the sentence's own subject.
    """
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
    """Two clauses of opposite verdicts, each perhaps negated. The main clause decides, not the one that is conceded."""

    def clause(aspect: str, good: int) -> str:
        negated = rng.randrange(2)
        how = rng.choice(("not", "never") if negated else ("so", "always"))
        return f"the {aspect} was {how} {rng.choice(PRAISE if good != negated else SCORN)}"

    first, second = rng.sample(ASPECTS, 2)
    main, conceded = clause(first, label), clause(second, 1 - label)
    forms = (f"even though {conceded}, I think that {main}", f"I think that {main}, even though {conceded}")
    return {"sentence": _sentence(rng.choice(forms))}


def _qnli(rng: random.Random, label: int, people: list[str]) -> Row:
    """The sentence tells two deeds. The question asks who had a part in one of them (0), or what is not told (1)."""
    (a, b, c, d, e, f), (first, second, third) = rng.sample(people, 6), rng.sample(DEEDS, 3)
    bystander = rng.choice(["", f" beside the {f}", f" beside the {f}"])
    sentence = f"the {a} {first} the {b} and the {c} {second} the {d}{bystander}."
    deed, agent, patient, other = rng.choice([(first, a, b, d), (second, c, d, b)])
    if label:  # another deed, another person, the two persons exchanged, or the person of the other deed
        wrong = [(third, agent, patient), (deed, e, e), (deed, patient, agent), (deed, other, other)]
        deed, agent, patient = rng.choice(wrong)
    question = rng.choice([f"Who {deed} the {patient}?", f"Who was {deed} by the {agent}?"])
    return {"question": question, "sentence": _sentence(sentence)}


def _mrpc(rng: random.Random, label: int, people: list[str]) -> Row:
    """An event told again in synonyms (1), or with an opposite quality or the two people's roles exchanged (0)."""
    (a, b), deed, (own, other) = rng.sample(people, 2), rng.choice(DEEDS), rng.sample(QUALITIES, 2)
    side, changed = rng.randrange(2), label == 0 and rng.randrange(3) > 0
    x, z = rng.choice(own[side]), rng.choice(own[1 - side if changed else side])
    y = rng.choice(["", f"{rng.choice(rng.choice(other))} "])
    agent, patient = f"{z} {a}", b
    if not label and not changed:
        agent, patient = b, f"{z} {a}"
    again = rng.choice([f"The {patient} was {deed} by the {agent}.", f"It was the {agent} who {deed} the {patient}."])
    return {"sentence1": f"The {x} {a} {deed} the {y}{b} {rng.choice(PLACES)}.", "sentence2": again}


def _qqp(rng: random.Random, label: int, people: list[str]) -> Row:
    """The same journey or comparison asked for again (1); the way back or elsewhere, or the opposite comparison (0)."""
    if rng.randrange(2):
        (a, b, c), (verb, mode), month = rng.sample(CITIES, 3), rng.choice(MODES), rng.choice(MONTHS)
        start, end = (a, b) if label else rng.choice([(b, a), (c, b), (a, c)])
        asked = f"How long does it take to {verb} from {a} to {b} in {month}?"
        return {"question1": asked, "question2": f"How long is the trip from {start} to {end} {mode}?"}
    (x, y), (more, less) = rng.sample(THINGS, 2), rng.sample(rng.choice(COMPARED), 2)
    again = rng.choice([(y, less, x), (x, more, y)] if label else [(x, less, y), (y, more, x)])
    return {
        "question1": f"Is a {x} usually {more} than a {y}?",
        "question2": f"Would you say that a {again[0]} is {again[1]} than a {again[2]}?",
    }


def _stsb(rng: random.Random, label: int, people: list[str]) -> Row:
    """Of the five parts of an event (who, did what, to whom, where, when), ``label`` are the same in both sentences.

    Where neither person is the same, the two may be the first sentence's persons in exchanged roles.
    """
    parts = [rng.sample(slot, 2) for slot in (DEEDS, PLACES, TIMES)]
    who = rng.sample(people, 4)
    parts += [who[:2], who[2:]]
    same = rng.sample(range(5), label)
    deed, place, time, a, b = (part[0] for part in parts)
    deed2, place2, time2, a2, b2 = (part[index not in same] for index, part in enumerate(parts))
    if not {3, 4} & set(same) and rng.randrange(2):
        a2, b2 = b, a
    return {
        "sentence1": f"The {a} {deed} the {b} {place} {time}.",
        "sentence2": _sentence(f"{time2} the {b2} was {deed2} by the {a2} {place2}."),
    }


def _mnli(rng: random.Random, label: int, people: list[str]) -> Row:
    """The hypothesis follows from the premise (0), is left open by it (1), or contradicts it (2)."""
    build = rng.choice((_attribution, _attribution, _quantity))
    return build(rng, label, people)


def _attribution(rng: random.Random, label: int, people: list[str]) -> Row:
    """The event again in the passive, its agent with the same quality (0), an unrelated one (1) or the opposite (2).

    Some contradictions keep the quality and change the number of people instead.
    """
    (a, b), deed = rng.sample(people, 2), rng.choice(DEEDS)
    (own, unrelated, other), (number, wrong, days) = rng.sample(QUALITIES, 3), rng.sample(NUMBERS, 3)
    side, miscounted = rng.randrange(2), label == 2 and rng.randrange(2) == 1
    x = rng.choice(own[side])
    z = rng.choice((own[side], rng.choice(unrelated), own[side if miscounted else 1 - side])[label])
    # The premise has qualities and numbers that the hypothesis leaves out at random. Without them, counting the words
    # that differ would tell the label.
    dropped, when = rng.choice(["", f"{rng.choice(rng.choice(other))} "]), rng.choice(["", f" for {days} days"])
    return {
        "premise": f"The {x} {a} {deed} {number} {dropped}{b}s{when}.",
        "hypothesis": _sentence(f"{wrong if miscounted else number} {b}s were {deed} by the {z} {a}."),
    }


def _quantity(rng: random.Random, label: int, people: list[str]) -> Row:
    """Another quantifier, or the same one over a narrower or a wider group of people.

    What is said of some sad nurses holds of some nurses; what is said of every nurse, or of no nurse, holds of the sad
    ones. The other way round it is left open.
    """
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


# For each task: what builds an example, the number of its classes (for STS-B, of its grades) and its evaluation splits.
GRAMMARS: dict[str, tuple[Callable[[random.Random, int, list[str]], Row], int, tuple[str, ...]]] = {
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
        task: one of ``GRAMMARS``.
        seed: of the generator; the same everywhere for the same seed.
        train: rows of the training split.
        evaluation: rows of each other split.

    Raises:
        InputError: a task that has no grammar here.
    """
    if task not in GRAMMARS:
        raise InputError(f"task={task} has no synthetic form: choose one of {', '.join(GRAMMARS)}")
    evaluations, seen = GRAMMARS[task][2], set[tuple[object, ...]]()
    splits = {name: _split(task, name, rows=evaluation, seed=seed, seen=seen) for name in evaluations}
    return {"train": _split(task, "train", rows=train, seed=seed, seen=seen), **splits}


def _split(task: str, name: str, *, rows: int, seed: int, seen: set[tuple[object, ...]]) -> list[Row]:
    """The rows of one split: every class equally often, and no row whose text is in ``seen``, which is added to."""
    build, classes, _ = GRAMMARS[task]
    rng = random.Random(f"{seed} {task} {name}")  # seeded by a text, which gives the same numbers in every process
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
