"""The words that the synthetic tasks are built from."""

# ruff: noqa: SIM905  (a list of words reads best as a text)

PEOPLE = "nurse pilot farmer lawyer painter baker sailor teacher doctor singer driver waiter soldier tailor".split()
STRANGERS = "judge monk clerk miner dancer guard captain artist chef priest scout writer banker porter".split()
DEEDS = "followed praised visited helped called hired warned thanked blamed trained rescued ignored".split()
ACTS = "smiled slept danced sang waited laughed".split()
NUMBERS = "two three four five six seven eight nine".split()
PLACES = ["near the lake", "in the garden", "behind the church", "at the station", "on the bridge", "in the market"]
TIMES = ["on Monday", "on Friday", "last week", "this morning", "in March", "after lunch"]
QUALITIES = [  # two words of one meaning, and two of the opposite one
    (("sad", "unhappy"), ("happy", "cheerful")),
    (("rich", "wealthy"), ("poor", "penniless")),
    (("fat", "stout"), ("thin", "slim")),
    (("quiet", "silent"), ("loud", "noisy")),
    (("brave", "fearless"), ("timid", "cowardly")),
    (("clever", "smart"), ("stupid", "foolish")),
]
# For each quantifier of a premise: the quantifiers with which the same clause follows from it, is left open by it, or
# contradicts it. As in everyday speech, "every nurse slept" is taken to say that there are nurses, so that "some nurse
# slept" follows.
QUANTIFIERS = {
    "every": (["some"], [], ["no", "not every"]),
    "some": ([], ["every", "not every"], ["no"]),
    "no": (["not every"], [], ["some", "every"]),
}
CITIES = "Paris Rome Berlin Madrid London Vienna Prague Dublin Lisbon Athens Moscow Cairo".split()
MONTHS = "January March April June July August October December".split()
MODES = [("fly", "by plane"), ("drive", "by car"), ("cycle", "by bike"), ("sail", "by boat")]
THINGS = "horse piano sofa bicycle table barrel stove trunk canoe mirror statue ladder carpet kettle wagon".split()
COMPARED = [("heavier", "lighter"), ("larger", "smaller"), ("newer", "older"), ("cheaper", "dearer")]
ASPECTS = "script plot cast music acting photography ending dialogue story pace".split()
PRAISE = "brilliant moving funny clever charming gripping superb fresh".split()
SCORN = "dull boring clumsy awful stupid tedious weak stale".split()
