"""What fine-tuning a classifier is for every kind of data: a recipe, samples in two parts, a run in a folder, and its report.

Each domain brings its samples and its models (`numzoo.vision.finetuning`, `numzoo.text.finetuning`); ``numzoo finetune`` is both together.
"""

from .plan import Plan
from .recipe import Recipe
from .report import Report
from .samples import FileSamples, Samples, put_aside

__all__ = ["FileSamples", "Plan", "Recipe", "Report", "Samples", "put_aside"]
