"""Training follows PyTorch's: the same losses, step by step, from the same weights on the same data."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from numzoo import engine
from numzoo.engine import optim
from numzoo.vision import models

STEPS = 100
BATCHES, BATCH, SIDE, CLASSES = 4, 8, 64, 10
# Batch normalisation over few pixels lets differences grow. At this rate the loss more than halves, while PyTorch's own
# float32 and float64 curves stay within 5e-4 of one another; at three times the rate they part by 4e-3, at a hundred times by 3e-2.
RATE, MOMENTUM = 1e-5, 0.9


def test_the_losses_of_a_hundred_steps_of_resnet18_are_pytorchs(reference: SimpleNamespace) -> None:
    import torch

    torch.set_num_threads(1)  # two teams of threads in one process wait for one another
    generator = np.random.default_rng(0)
    images = generator.standard_normal((BATCHES, BATCH, 3, SIDE, SIDE)).astype(np.float32)
    labels = generator.integers(0, CLASSES, (BATCHES, BATCH))
    torch.manual_seed(0)
    theirs = reference.torchvision.models.get_model("resnet18", weights=None, num_classes=CLASSES).train()
    ours = models.resnet18(classes=CLASSES).train()
    ours.load_state_dict({name: value.numpy().copy() for name, value in theirs.state_dict().items()})
    their_rule = torch.optim.SGD(theirs.parameters(), lr=RATE, momentum=MOMENTUM)
    our_rule = optim.SGD(ours.parameters(), lr=RATE, momentum=MOMENTUM)
    wanted, given = np.empty(STEPS), np.empty(STEPS)
    for step in range(STEPS):
        x, y = images[step % BATCHES], labels[step % BATCHES]
        their_rule.zero_grad()
        their_loss = torch.nn.functional.cross_entropy(theirs(torch.from_numpy(x)), torch.from_numpy(y))
        their_loss.backward()
        their_rule.step()
        our_rule.zero_grad()
        our_loss = engine.cross_entropy(ours(engine.Tensor(x)), y)
        our_loss.backward()
        our_rule.step()
        wanted[step], given[step] = their_loss.item(), our_loss.item()
    assert wanted[-BATCHES:].mean() < wanted[:BATCHES].mean() / 2
    np.testing.assert_allclose(given, wanted, rtol=1e-3)
    state = ours.state_dict()
    for name, value in theirs.state_dict().items():
        got = np.asarray(state[name].numpy() if hasattr(state[name], "numpy") else state[name], np.float64)
        distance = np.abs(got - value.double().numpy()).max()
        assert distance <= 1e-2 * max(1.0, float(value.double().abs().max())), name
