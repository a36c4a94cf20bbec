"""DDPM's plain U-Net as one would write it in PyTorch, with a lean training loop and sampler.

Layers, widths and parameters are those of ``rgf_keras.models.unet`` with plain Keras layers.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

# width, multipliers, residual blocks per level, pixels per patch side: rgf_keras.models.unet.SIZES
SIZES = {
    "tiny": (32, (1, 1), 1, 1),
    "small": (32, (1, 2), 2, 2),
    "base": (128, (1, 2, 2, 2), 2, 1),
}
TIMESTEPS = 1000
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride, padding=1)


def activated(inputs: int, outputs: int) -> nn.Sequential:
    """A normalization, SiLU and a 3×3 convolution."""
    norm = nn.GroupNorm(math.gcd(inputs // 4, 32), inputs, eps=1e-5)
    return nn.Sequential(norm, nn.SiLU(), convolution(inputs, outputs))


class Attention(nn.Module):
    """Self-attention over all positions with one head."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm = nn.GroupNorm(math.gcd(channels // 4, 32), channels, eps=1e-5)
        self.project = nn.Linear(channels, 3 * channels)
        self.output = nn.Linear(channels, channels)
        nn.init.zeros_(self.output.weight)

    def forward(self, x):
        positions = self.norm(x).flatten(2).transpose(1, 2)  # (n, height · width, channels)
        queries, keys, values = self.project(positions)[:, None].chunk(3, dim=-1)
        mixed = F.scaled_dot_product_attention(queries, keys, values)[:, 0]
        return x + self.output(mixed).transpose(1, 2).reshape(x.shape)


class Block(nn.Module):
    """A residual block, and attention behind it where it is wanted."""

    def __init__(self, inputs: int, outputs: int, embedding: int, attention: bool):
        super().__init__()
        self.shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        self.shift = nn.Linear(embedding, outputs)
        self.first, self.second = activated(inputs, outputs), activated(outputs, outputs)
        self.attention = Attention(outputs) if attention else nn.Identity()
        nn.init.zeros_(self.second[-1].weight)

    def forward(self, x, embedding):
        shift = self.shift(F.silu(embedding))[:, :, None, None]
        return self.attention(self.shortcut(x) + self.second(self.first(x) + shift))


class UNet(nn.Module):
    """[x_t (n, C, H, W), timesteps (n,)] to (n, C, H, W)."""

    def __init__(self, channels: int, size: str):
        super().__init__()
        width, multipliers, num_blocks, self.patch = SIZES[size]
        inner = 4 * width
        pixels = channels * self.patch**2
        frequencies = torch.exp(-math.log(10_000) * torch.arange(width // 2) / (width // 2))
        self.register_buffer("frequencies", frequencies)
        self.embedding = nn.Sequential(nn.Linear(width, inner), nn.SiLU(), nn.Linear(inner, inner))
        self.entry = convolution(pixels, width)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        now, skips = width, [width]
        for level, multiplier in enumerate(multipliers):
            if level:
                self.down.append(convolution(now, now, stride=2))
                skips.append(now)
            for _ in range(num_blocks):
                self.down.append(Block(now, multiplier * width, inner, level == 1))
                now = multiplier * width
                skips.append(now)
        middle = [Block(now, now, inner, True), Block(now, now, inner, False)]
        self.middle = nn.ModuleList(middle)
        for level, multiplier in reversed([*enumerate(multipliers)]):
            for _ in range(num_blocks + 1):
                inputs, now = now + skips.pop(), multiplier * width
                self.up.append(Block(inputs, now, inner, level == 1))
            if level:
                self.up.append(nn.Sequential(nn.Upsample(scale_factor=2), convolution(now, now)))
        self.output = activated(now, pixels)
        nn.init.zeros_(self.output[-1].weight)

    def forward(self, x, timesteps):
        angles = timesteps.float()[:, None] * self.frequencies
        embedding = self.embedding(torch.cat([angles.sin(), angles.cos()], dim=-1))
        x = self.entry(F.pixel_unshuffle(x, self.patch))
        skips = [x]
        for layer in self.down:
            x = layer(x, embedding) if isinstance(layer, Block) else layer(x)
            skips.append(x)
        for layer in self.middle:
            x = layer(x, embedding)
        for layer in self.up:
            if isinstance(layer, Block):
                x = layer(torch.cat([x, skips.pop()], dim=1), embedding)
            else:
                x = layer(x)
        return F.pixel_shuffle(self.output(x), self.patch)


def lean_diffusion(
    images: np.ndarray, size: str, batch_size: int, bfloat16: bool, compile_options: dict | None
) -> tuple[Callable[[int], list[float]], Callable[[int, int], np.ndarray], int]:
    """A training loop, a sampler and the number of parameters.

    Args:
        images: (N, H, W, C) uint8; they lie on the device.
        size: one of ``SIZES``.
        batch_size: in training; N is a multiple.
        bfloat16: whether to compute in bfloat16 where autocast does; weights stay float32.
        compile_options: of ``torch.compile``; None to compile nothing.

    Returns:
        ``run(epochs)``, which gives the mean loss of the last one;
        ``sample(num_images, num_steps)`` with DDIM, (num_images, C, H, W) float32; the number of
        parameters.
    """
    torch.manual_seed(0)
    torch.backends.cudnn.benchmark = True
    data = torch.from_numpy(images).permute(0, 3, 1, 2)
    data = data.to(DEVICE, memory_format=torch.channels_last)
    network = UNet(data.shape[1], size).to(DEVICE, memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, eps=1e-7, fused=True)
    shares = torch.cumprod(1 - torch.linspace(1e-4, 0.02, TIMESTEPS, dtype=torch.float64), 0)
    signal = shares.sqrt().float().to(DEVICE)[:, None, None, None]
    spread = (1 - shares).sqrt().float().to(DEVICE)[:, None, None, None]

    def predict(noisy, timesteps):
        with torch.autocast(DEVICE, torch.bfloat16, enabled=bfloat16):
            return network(noisy, timesteps).float()

    def loss_of(batch):
        batch = batch.float() / 127.5 - 1.0
        timesteps = torch.randint(TIMESTEPS, (len(batch),), device=DEVICE)
        noise = torch.randn_like(batch)
        predicted = predict(signal[timesteps] * batch + spread[timesteps] * noise, timesteps)
        return F.mse_loss(predicted, noise)

    def denoise(noisy, timesteps):
        denoised = (noisy - spread[timesteps] * predict(noisy, timesteps)) / signal[timesteps]
        return denoised.clamp(-1.0, 1.0)

    if compile_options:
        loss_of = torch.compile(loss_of, **compile_options)
        denoise = torch.compile(denoise, **compile_options)

    def run(epochs: int) -> list[float]:
        for _ in range(epochs):
            losses = []
            for indices in torch.randperm(len(data), device=DEVICE).split(batch_size):
                optimizer.zero_grad()
                loss = loss_of(data[indices])
                loss.backward()
                optimizer.step()
                losses.append(loss.detach().clone())  # CUDA graphs write over their outputs
        return [torch.stack(losses).mean().item()]

    @torch.no_grad()
    def sample(num_images: int, num_steps: int) -> np.ndarray:
        noisy = torch.randn((num_images, *data.shape[1:]), device=DEVICE)
        noisy = noisy.to(memory_format=torch.channels_last)
        steps = np.round(np.linspace(TIMESTEPS - 1, 0, num_steps)).astype(int).tolist()
        for now, then in zip(steps, [*steps[1:], None], strict=True):
            denoised = denoise(noisy, torch.full((num_images,), now, device=DEVICE))
            if then is None:
                return denoised.cpu().numpy()
            noise = (noisy - signal[now] * denoised) / spread[now]
            noisy = signal[then] * denoised + spread[then] * noise
        raise ValueError(f"num_steps must be at least 1, received {num_steps}")

    return run, sample, sum(parameter.numel() for parameter in network.parameters())
