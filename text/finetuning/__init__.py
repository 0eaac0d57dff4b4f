"""Fine-tuning a pretrained encoder to classify texts: what ``numzoo finetune`` does with folders and tables of texts.

>>> from numzoo.text import finetuning
>>> report = finetuning.finetune("minilm_l6", "tweets.csv", "out", finetuning.Recipe(epochs=3))      # doctest: +SKIP
>>> report.accuracy                                                                                   # doctest: +SKIP
0.937
"""

from numzoo.finetuning import Report

from .recipe import Plan, Recipe, finetune, make_plan
from .texts import Texts, find_texts

__all__ = ["Plan", "Recipe", "Report", "Texts", "find_texts", "finetune", "make_plan"]
