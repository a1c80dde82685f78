"""Label a sentence, or a pair, with a trained run: ``python scripts/predict.py run=<folder> "sentence" ["second"]``.

In Python: ``read_repro.training.predict.load("<folder>")("sentence", "second")``.
"""

import sys

from read_repro.errors import InputError
from read_repro.training.predict import load


def main(arguments: list[str]) -> int:
    """Print the label and the probabilities."""
    folders = [text.removeprefix("run=") for text in arguments if text.startswith("run=")]
    sentences = [text for text in arguments if not text.startswith("run=")]
    if len(folders) != 1 or not sentences:
        print((__doc__ or "").strip(), file=sys.stderr)
        return 2
    try:
        prediction = load(folders[0])(*sentences)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(prediction.label)
    for label, chance in prediction.probabilities.items():
        print(f"  {chance:.3f}  {label}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
