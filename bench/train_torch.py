# SPDX-License-Identifier: MIT
"""Training rates of the paper's forecaster in PyTorch, for bench/train: one step is forward, backward, clipping and
AdamW on a batch of random windows that are in memory. Prints one JSON object a line.

usage: train_torch.py THREADS SECONDS BATCH[,BATCH...] VARIANT...    (variants: see VARIANTS at the end)
"""
import json
import math
import sys
import time

import torch
from torch import nn

F, HEADS, HIDDEN, LAYERS, TOKENS, PATCH, HORIZON, DEVICES = 128, 16, 128, 6, 32, 16, 96, 16
KEPT = 13  # ceil(0.1 * 128) columns a site, all devices together
CAUSAL = torch.full((TOKENS, TOKENS), -math.inf).triu(1)


def attend(q, k, v):
    """q, k, v [B, T, F] -> [B, T, F], all heads as one batched product."""
    b = q.shape[0]
    q, k, v = (x.view(b, TOKENS, HEADS, F // HEADS).transpose(1, 2) for x in (q, k, v))
    p = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(F // HEADS) + CAUSAL, -1)
    return (p @ v).transpose(1, 2).reshape(b, TOKENS, F)


class DenseLayer(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(F), nn.LayerNorm(F)
        self.qkv, self.o = nn.Linear(F, 3 * F), nn.Linear(F, F)
        self.up, self.down = nn.Linear(F, HIDDEN), nn.Linear(HIDDEN, F)

    def forward(self, x):
        x = x + self.o(attend(*self.qkv(self.norm1(x)).chunk(3, -1)))
        return x + self.down(torch.relu(self.up(self.norm2(x))))


class EncoderLayer(nn.Module):
    """PyTorch's own layer."""

    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(F, HEADS, HIDDEN, 0.0, batch_first=True, norm_first=True)

    def forward(self, x):
        return self.layer(x, CAUSAL)


def own_columns(n, device):
    return range(n * device // DEVICES, n * (device + 1) // DEVICES)


def available(n, seed):
    """For each device the columns that it sees: its own, and what the others keep."""
    kept = torch.randperm(n, generator=torch.Generator().manual_seed(seed))[:KEPT].tolist()
    return [sorted(set(own_columns(n, j)) | set(kept)) for j in range(DEVICES)]


class Masked(nn.Module):
    """A distributed linear layer, perhaps normalised: every device multiplies all columns, absent ones as zeros."""

    def __init__(self, n, outputs, normalised, seed):
        super().__init__()
        mask = torch.zeros(DEVICES, 1, n)
        for j, columns in enumerate(available(n, seed)):
            mask[j, 0, columns] = 1
        self.register_buffer("mask", mask)
        self.register_buffer("count", mask.sum(-1, keepdim=True))
        self.weight = nn.Parameter(torch.randn(DEVICES, outputs // DEVICES, n) / math.sqrt(n))
        self.bias = nn.Parameter(torch.zeros(DEVICES, 1, outputs // DEVICES))
        self.normalised = normalised
        if normalised:
            self.gain, self.shift = nn.Parameter(torch.ones(n)), nn.Parameter(torch.zeros(n))

    def forward(self, x):
        b = x.shape[0]
        view = x.reshape(1, b * TOKENS, -1) * self.mask
        if self.normalised:
            mean = view.sum(-1, keepdim=True) / self.count
            view = (view - mean) * self.mask
            deviation = torch.sqrt((view * view).sum(-1, keepdim=True) / self.count + 1e-5)
            view = view / deviation * self.gain + self.shift * self.mask
        y = torch.baddbmm(self.bias, view, self.weight.transpose(1, 2))
        return y.permute(1, 0, 2).reshape(b, TOKENS, -1)


class Einsum(Masked):
    """The same on gathered columns, filled up to those of the device that sees most; one einsum for all devices."""

    def __init__(self, n, outputs, normalised, seed):
        super().__init__(n, outputs, normalised, seed)
        columns = available(n, seed)
        most = max(map(len, columns))
        self.register_buffer("index", torch.tensor([c + [0] * (most - len(c)) for c in columns]))
        self.register_buffer("there", torch.tensor([[1.0] * len(c) + [0.0] * (most - len(c)) for c in columns]))
        self.weight = nn.Parameter(torch.randn(DEVICES, outputs // DEVICES, most) / math.sqrt(n))
        self.register_buffer("counts", self.there.sum(-1, keepdim=True))

    def forward(self, x):
        b = x.shape[0]
        view = x[..., self.index] * self.there
        if self.normalised:
            mean = view.sum(-1, keepdim=True) / self.counts
            view = (view - mean) * self.there
            deviation = torch.sqrt((view * view).sum(-1, keepdim=True) / self.counts + 1e-5)
            view = view / deviation * self.gain[self.index] + self.shift[self.index] * self.there
        y = torch.einsum("btdk,dok->btdo", view, self.weight) + self.bias.squeeze(1)
        return y.reshape(b, TOKENS, -1)


class Loop(nn.Module):
    """The same, one device after the other, each with its own small layers."""

    def __init__(self, n, outputs, normalised, seed):
        super().__init__()
        columns = available(n, seed)
        self.index = [torch.tensor(c) for c in columns]
        self.norms = nn.ModuleList([nn.LayerNorm(len(c)) for c in columns] if normalised else [])
        self.linears = nn.ModuleList([nn.Linear(len(c), outputs // DEVICES) for c in columns])

    def forward(self, x):
        out = []
        for j in range(DEVICES):
            view = x.index_select(-1, self.index[j])
            out.append(self.linears[j](self.norms[j](view) if self.norms else view))
        return torch.cat(out, -1)


class ViewLayer(nn.Module):
    def __init__(self, linear, n):
        super().__init__()
        self.q, self.o = linear(F, 3 * F, True, 4 * n), linear(F, F, False, 4 * n + 1)
        self.up, self.down = linear(F, HIDDEN, True, 4 * n + 2), linear(HIDDEN, F, False, 4 * n + 3)

    def forward(self, x):
        b = x.shape[0]
        # Each device has q, k and v of its own head side by side.
        qkv = self.q(x).view(b, TOKENS, DEVICES, 3, F // DEVICES).unbind(3)
        x = x + self.o(attend(*(part.reshape(b, TOKENS, F) for part in qkv)))
        return x + self.down(torch.relu(self.up(x)))


class Forecaster(nn.Module):
    def __init__(self, layers, head):
        super().__init__()
        self.embed = nn.Linear(PATCH, F)
        self.pos = nn.Parameter(torch.zeros(TOKENS, F))
        self.layers, self.head = nn.Sequential(*layers), head

    def forward(self, x):
        return self.head(self.layers(self.embed(x) + self.pos))


def dense(layer):
    return Forecaster([layer() for _ in range(LAYERS)], nn.Sequential(nn.LayerNorm(F), nn.Linear(F, HORIZON)))


def views(linear):
    return Forecaster([ViewLayer(linear, n) for n in range(LAYERS)], linear(F, HORIZON, True, 99))


VARIANTS = {
    "dense": lambda: dense(DenseLayer),
    "dense-encoder": lambda: dense(EncoderLayer),
    "views-masked": lambda: views(Masked),
    "views-loop": lambda: views(Loop),
    "views-einsum": lambda: views(Einsum),
}


def step(model, optimiser, window):
    """window [B, 512 + 96]: standardised by its context, every token forecasts what follows it."""
    context = window[:, : TOKENS * PATCH]
    mean, deviation = context.mean(-1, keepdim=True), torch.sqrt(context.var(-1, unbiased=False, keepdim=True) + 1e-5)
    output = model(((context - mean) / deviation).view(-1, TOKENS, PATCH))
    forecast = output * deviation[..., None] + mean[..., None]
    loss = torch.mean((forecast - window[:, PATCH:].unfold(-1, HORIZON, PATCH)) ** 2)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()


def rate(variant, batch, seconds):
    torch.manual_seed(1)
    model = VARIANTS[variant]()
    optimiser = torch.optim.AdamW(model.parameters(), 1e-4, weight_decay=0.05)
    window = torch.randn(batch, TOKENS * PATCH + HORIZON)
    step(model, optimiser, window)
    done, begun, begun_cpu = 0, time.monotonic(), time.process_time()
    while time.monotonic() - begun < seconds:
        step(model, optimiser, window)
        done += batch
    return done / (time.monotonic() - begun), done / (time.process_time() - begun_cpu)


def main():
    threads, seconds, batches, variants = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3], sys.argv[4:]
    torch.set_num_threads(threads)
    for variant in variants:
        for batch in map(int, batches.split(",")):
            wall, cpu = rate(variant, batch, seconds)
            result = {"who": "torch", "variant": variant, "batch": batch, "rate": wall, "cpu_rate": cpu}
            print(json.dumps(result), flush=True)


main()
