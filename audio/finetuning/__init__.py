"""Fine-tuning Whisper's encoder to name what is heard: what ``numzoo finetune`` does with folders of sounds.

>>> from numzoo.audio import finetuning
>>> report = finetuning.finetune("whisper_base", "words", "out", finetuning.Recipe(epochs=5))       # doctest: +SKIP
>>> report.accuracy                                                                                   # doctest: +SKIP
0.981
"""

from numzoo.finetuning import Report

from .recipe import Plan, Recipe, finetune, make_plan
from .sounds import Sounds, find_sounds

__all__ = ["Plan", "Recipe", "Report", "Sounds", "find_sounds", "finetune", "make_plan"]
