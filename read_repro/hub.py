"""Whether the Hugging Face hub answers, found out in seconds: its libraries retry for most of a minute first."""

import logging
import threading

logger = logging.getLogger(__name__)
TIMEOUT_S = 5.0
WAYS_OUT = (
    "use weights on this machine (backbone.path=<folder>) and data on this machine (data=local data.path=<folder>), "
    "or run offline with backbone=minilm data=synthetic"
)


def hub_reachable(timeout_s: float = TIMEOUT_S) -> bool:
    """Whether the hub, at ``HF_ENDPOINT`` if that is set, answers at all within ``timeout_s``."""
    from huggingface_hub import constants
    from huggingface_hub.utils import get_session

    if constants.HF_HUB_OFFLINE:
        return False
    answers: list[int] = []

    def ask() -> None:
        try:
            answers.append(get_session().head(constants.ENDPOINT, timeout=timeout_s).status_code)
        except Exception as error:  # whatever keeps it from answering, the hub is not to be had
            logger.debug("no answer from %s: %s", constants.ENDPOINT, error)

    # In a thread, because a name lookup takes no timeout.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(timeout_s)
    return bool(answers)
