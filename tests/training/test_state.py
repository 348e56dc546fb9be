"""A training run saved and loaded goes on as if it had not been interrupted."""

import torch
from safetensors.torch import load, save
from torch import nn

from minimoe.training.state import load_state_tensors, state_tensors


def made():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    model[0].bias.requires_grad_(False)  # one that is not trained has no state
    return model, torch.optim.AdamW([w for w in model.parameters() if w.requires_grad], lr=0.1, fused=True)


def step(model, optimizer, number):
    optimizer.zero_grad()
    model(torch.full((1, 3), float(number))).square().sum().backward()
    optimizer.step()


def test_training_goes_on_from_its_state():
    whole, optimizer = made()
    for number in range(2):
        step(whole, optimizer, number)
    saved = save({name: tensor.detach() for name, tensor in state_tensors(whole, optimizer).items()})
    step(whole, optimizer, 2)
    again, restored = made()
    load_state_tensors(again, restored, load(saved))
    step(again, restored, 2)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), again.parameters(), strict=True))


def test_a_run_that_has_not_begun_has_its_weights_alone():
    assert set(state_tensors(*made())) == {"weight/0.weight", "weight/0.bias", "weight/1.weight", "weight/1.bias"}
