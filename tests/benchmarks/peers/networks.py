"""Tapeline's networks and operations as PyTorch modules, with the weights of a dump.

Tapeline lays out images as NHWC, convolution weights as [height, width, in, out], matrices as [in, out], and the LSTM's gates
as i f g o with one bias, where PyTorch has NCHW, [out, in, height, width], [out, in] and two biases; the second is kept 0.
"""
import collections

import torch
from torch import nn

import tensors


class Columns(nn.Module):
    """[N, C, H, W] to the sequence [N, W, H * C]."""

    def forward(self, x):
        return x.permute(0, 3, 2, 1).flatten(2)


class Recurrent(nn.Module):
    """An LSTM, of which only the outputs matter."""

    def __init__(self, features, hidden, both=False):
        super().__init__()
        self.lstm = nn.LSTM(features, hidden, batch_first=True, bidirectional=both)

    def forward(self, x):
        return self.lstm(x)[0]


def series(*layers):
    """pnnx makes Python names of the layers' own, which therefore must not be numbers."""
    return nn.Sequential(collections.OrderedDict((f"layer{i}", layer) for i, layer in enumerate(layers)))


def convolution(channels, out, pool=None, norm=False, slope=0.0, kernel=3, padding=1):
    layers = [nn.Conv2d(channels, out, kernel, padding=padding, bias=not norm)]
    layers += [nn.BatchNorm2d(out)] if norm else []
    layers += [nn.LeakyReLU(slope) if slope else nn.ReLU()]
    layers += [nn.MaxPool2d(pool, pool, ceil_mode=True)] if pool else []
    return layers


def captcha(classes):
    layers, channels = [], 1
    for out in (64, 128, 128, 64):
        layers += convolution(channels, out, (2, 2), True, 0.01)
        channels = out
    return series(*layers, Columns(), Recurrent(256, 128), nn.Dropout(0.0), Recurrent(128, 128), nn.Dropout(0.0),
                  nn.Linear(128, classes))


def crnn_body(classes):
    return series(*convolution(1, 64, (2, 2)), *convolution(64, 128, (2, 2)), *convolution(128, 256, None, True),
                  *convolution(256, 256, (2, 1)), *convolution(256, 512, None, True), *convolution(512, 512, (2, 1)),
                  *convolution(512, 512, None, True, kernel=2, padding=0), Columns(), Recurrent(512, 256, True),
                  Recurrent(512, 256, True), nn.Linear(512, classes))


def load_lstm(lstm, w_ih, w_hh, bias):
    """The second bias stays 0 and is not trained: Tapeline has one."""
    wide = 4 * lstm.hidden_size
    for i, suffix in enumerate(["", "_reverse"] if lstm.bidirectional else [""]):
        part = slice(i * wide, (i + 1) * wide)
        getattr(lstm, "weight_ih_l0" + suffix).copy_(w_ih[:, part].T)
        getattr(lstm, "weight_hh_l0" + suffix).copy_(w_hh[i].T)
        getattr(lstm, "bias_ih_l0" + suffix).copy_(bias[part])
        getattr(lstm, "bias_hh_l0" + suffix).zero_().requires_grad_(False)


@torch.no_grad()
def load(network, t):
    """Layers of each kind are numbered in their order: conv1, norm1, lstm1, conv2, ..., output."""
    counts = {}

    def name(kind):
        counts[kind] = counts.get(kind, 0) + 1
        return f"{kind}{counts[kind]}."

    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            n = name("conv")
            layer.weight.copy_(t[n + "weight"].permute(3, 2, 0, 1))
            if layer.bias is not None:
                layer.bias.copy_(t[n + "bias"])
        elif isinstance(layer, nn.BatchNorm2d):
            n = name("norm")
            layer.weight.copy_(t[n + "scale"])
            layer.bias.copy_(t[n + "offset"])
            layer.running_mean.copy_(t[n + "running_mean"])
            layer.running_var.copy_(t[n + "running_variance"])
        elif isinstance(layer, nn.LSTM):
            n = name("lstm")
            load_lstm(layer, t[n + "w_ih"], t[n + "w_hh"], t[n + "bias"])
        elif isinstance(layer, nn.Linear):
            layer.weight.copy_(t["output.weight"].T)
            layer.bias.copy_(t["output.bias"])
    return network


def network(preset, t):
    make = {"captcha": captcha, "crnn-body": crnn_body}[preset]
    return load(make(len(t["output.bias"])), t)


@torch.no_grad()
def single(op, t):
    """A convolution or an LSTM alone."""
    if op == "conv":
        layer = nn.Conv2d(t["input.input"].shape[3], t["input.weight"].shape[3], 3, padding=1, bias=False)
        layer.weight.copy_(t["input.weight"].permute(3, 2, 0, 1))
        return layer
    layer = Recurrent(t["input.x"].shape[2], t["input.w_hh"].shape[1], True)
    load_lstm(layer.lstm, t["input.w_ih"], t["input.w_hh"], t["input.bias"])
    return layer


def torch_tensors(arrays):
    return {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}


def forward_case(work, arrays):
    """(module, its input, name of its output in the dump) of what can also be exported."""
    t = torch_tensors(arrays)
    module = network(work["preset"], t) if work["kind"] == "network" else single(work["op"], t)
    x, name = tensors.network_input(work, arrays)
    return module, torch.from_numpy(x.copy()).contiguous(), name
