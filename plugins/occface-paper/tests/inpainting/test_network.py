"""Generator and discriminator: sizes, what they are told, and the paper's configuration."""

from __future__ import annotations

import pytest
import torch

from occface_paper.inpainting.discriminator import PatchDiscriminator
from occface_paper.inpainting.network import DilatedBlock, Generator, GeneratorSize, TwoTermAttention

SMALL = {"size": 32, "width": 4, "depth": 2, "blocks": 1}


def faces(size: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    hole = torch.zeros(2, 1, size, size)
    hole[..., size // 4 : size // 2, size // 4 : size // 2] = 1
    return torch.rand(2, 3, size, size), hole, size * torch.rand(2, 68, 2)


@pytest.mark.parametrize(
    "options",
    [
        {"components": 3, "refine": 4},
        {"components": 0, "refine": 0, "norm": "instance"},
        {"components": 3, "refine": 0, "attention": False, "landmarks": False},
        {"components": 0, "refine": 4, "kernel": 7, "depth": 3},
    ],
)
def test_outputs_of_every_kind(options: dict):
    network = Generator(GeneratorSize(**SMALL | options))
    image, hole, points = faces(network.options.output)
    coarse, fine = network(image, hole, points)
    assert coarse.shape == (2, 3, 32, 32)
    assert (fine is None) if not options["refine"] else (fine.shape == (2, 3, 64, 64))
    (coarse.sum() + (fine.sum() if fine is not None else 0)).backward()
    assert network.stem.weight.grad is not None


def test_the_untrained_network_answers_with_the_prefilled_picture():
    network = Generator(GeneratorSize(**SMALL, components=3, refine=4))
    image, hole, points = faces(64)
    given = network.inputs(image, hole, points)
    coarse, fine = network(image, hole, points, given=given)
    assert torch.allclose(coarse, given[:, :3])
    assert torch.allclose(fine, torch.nn.functional.interpolate(coarse, scale_factor=2, mode="bilinear"))


def test_the_hole_is_not_looked_at():
    network = Generator(GeneratorSize(**SMALL, components=0, refine=0))
    image, hole, points = faces(32)
    other = torch.where(hole > 0, torch.rand_like(image), image)
    assert torch.equal(network(image, hole, points)[0], network(other, hole, points)[0])


def test_the_papers_configuration():
    options = GeneratorSize.paper()
    with torch.device("meta"):
        network = Generator(options)
    assert network.stem.weight.shape == (64, 4, 7, 7)
    assert [d.feature.out_channels for d in network.down] == [128, 256]
    assert len(network.blocks) == 7 and network.blocks[0].first.dilation == (2, 2)
    assert network.attention.query.weight.shape == (64, 256, 1, 1)
    assert options.output == 256
    assert GeneratorSize.from_json(options.to_json()) == options


def test_a_block_without_norm_starts_as_the_identity():
    x = torch.rand(1, 16, 6, 6)
    block = Generator(GeneratorSize(**SMALL, components=0, refine=0)).blocks[0]
    assert isinstance(block, DilatedBlock) and torch.equal(block(x), x)


def test_attention_starts_with_what_is_in_view_and_obeys_its_formula():
    torch.manual_seed(0)
    block = TwoTermAttention(8)
    x, encoded = torch.rand(1, 8, 4, 4), torch.rand(1, 8, 4, 4)
    hole = torch.zeros(1, 1, 4, 4)
    hole[..., :2] = 1
    wanted = block.fuse(torch.cat((x, (1 - hole) * encoded), 1))
    assert torch.allclose(block(x, encoded, hole), wanted)
    block.gamma.data.fill_(0.5)
    block.alpha.data.fill_(2.0)
    query = block.query(x).flatten(2)[0]
    weights = torch.softmax(query.T @ query, -1)  # (place, place looked at)
    gather = lambda f: (weights @ f.flatten(2)[0].T).T.reshape(1, 8, 4, 4)  # noqa: E731
    context = 2.0 * hole * gather(encoded) + (1 - hole) * encoded
    wanted = block.fuse(torch.cat((x + 0.5 * gather(x), context), 1))
    assert torch.allclose(block(x, encoded, hole), wanted, atol=1e-5)


def test_discriminator_is_spectrally_normed_and_sees_the_landmarks():
    torch.manual_seed(0)
    judge = PatchDiscriminator(4)
    image = torch.rand(1, 3, 64, 64)
    for _ in range(20):
        judge(image, torch.zeros(1, 1, 64, 64))  # power iterations
    judge.eval()
    largest = torch.linalg.matrix_norm(judge.third.weight.flatten(1), 2)
    assert largest.item() == pytest.approx(1, abs=0.05)
    blank, full = (judge(image, torch.full((1, 1, 64, 64), v)) for v in (0.0, 1.0))
    assert blank.shape == (1, 1, 8, 8) and not torch.equal(blank, full)
    assert PatchDiscriminator(4, landmarks=False).first.in_channels == 3


def test_signals_and_gradients_reach_the_deepest_layer_of_a_network_without_norms():
    torch.manual_seed(0)
    network = Generator(GeneratorSize(size=64, width=8, depth=3, blocks=3, components=3, refine=0))
    torch.nn.init.kaiming_normal_(network.out.weight)  # it starts at zero, which hides the rest for a step
    torch.nn.init.kaiming_normal_(network.blocks[0].second.weight)
    image, hole, points = faces(64)
    coarse, _ = network(image, hole, points)
    (coarse - image).abs().mean().backward()
    deep = network.blocks[0].first.weight
    assert deep.grad.norm() > 1e-3 * network.up[-1].conv.weight.grad.norm() > 0
