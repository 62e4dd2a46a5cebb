"""The exception and the warnings of the package."""

import sys
import warnings

from ._core import Error

__all__ = ["DeviceCopyWarning", "Error", "PriorWarning", "warn"]


class PriorWarning(UserWarning):
    """What to be careful with in an estimate or a correction, in one sentence."""


class DeviceCopyWarning(UserWarning):
    """Scores lay on another device and were copied to the CPU."""


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] == "prior2posterior"


def warn(sentence: str, category: type[Warning] = PriorWarning) -> None:
    """Warn at the line that called into this package.

    Parameters
    ----------
    sentence
        What to say.
    category
        Which warning it is.
    """
    level = 1
    frame = sys._getframe()
    while (
        frame is not None and frame.f_globals.get("__name__", "").split(".")[0] == "prior2posterior"
    ):
        level += 1
        if frame.f_back is None:
            break
        frame = frame.f_back
    warnings.warn(sentence, category, stacklevel=level)
