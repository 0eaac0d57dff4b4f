"""Fine-tuning a pretrained classifier on a folder of images: what ``numzoo finetune`` does.

>>> from numzoo.vision import finetuning
>>> report = finetuning.finetune("mobilenet_v2", "photos", "out", finetuning.Recipe(epochs=5))    # doctest: +SKIP
>>> report.accuracy                                                                                 # doctest: +SKIP
0.975
"""

from numzoo.finetuning import Report

from .images import Images, find_images
from .recipe import Plan, Recipe, finetune, make_plan

__all__ = ["Images", "Plan", "Recipe", "Report", "find_images", "finetune", "make_plan"]
