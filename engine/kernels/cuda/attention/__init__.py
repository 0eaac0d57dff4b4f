"""Attention on a GPU: few queries in one launch, cuDNN's fused engines, or scores that are held; ``calls`` chooses."""

from .calls import attend, attend_backward, attend_packed_backward

__all__ = ["attend", "attend_backward", "attend_packed_backward"]
