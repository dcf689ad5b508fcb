#!/usr/bin/env python3
"""Makes golden.safetensors: inputs, results and gradients of every layer, of CTC, of the optimisers and of a ten-step
training run, computed by PyTorch in double precision and laid out as Tapeline has it (NHWC, [in, out], gates i f g o).

    python3 -m venv venv && venv/bin/pip install torch numpy && venv/bin/python make_golden.py

Names are "<case>/<tensor>"; golden_test.cpp has the same cases.
"""
import json
import pathlib
import struct

import numpy as np
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
torch.manual_seed(7)
OUT = {}


def keep(case, **tensors):
    for name, t in tensors.items():
        array = t.detach().numpy() if torch.is_tensor(t) else np.asarray(t)
        OUT[f"{case}/{name}"] = np.ascontiguousarray(array.astype(np.int32 if array.dtype.kind == "i" else np.float64))


def leaf(*shape, scale=1.0):
    return (torch.randn(*shape) * scale).requires_grad_()


def nchw(x):
    return x.permute(0, 3, 1, 2)


def nhwc(x):
    return x.permute(0, 2, 3, 1)


def back(output, **leaves):
    """A fixed random gradient sent back; returns it and what arrived."""
    g = torch.randn_like(output)
    grads = torch.autograd.grad(output, list(leaves.values()), g)
    return {"grad_output": g, **{f"grad_{name}": grad for name, grad in zip(leaves, grads)}}


def conv(case, shape, out, kernel, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
    x = leaf(*shape)
    w = leaf(*kernel, shape[3] // groups, out)
    b = leaf(out)
    y = nhwc(F.conv2d(nchw(x), w.permute(3, 2, 0, 1), b, stride, padding, dilation, groups))
    keep(case, input=x, weight=w, bias=b, output=y, **back(y, input=x, weight=w, bias=b))


conv("conv2d.plain", (2, 5, 6, 3), 4, (3, 3), padding=(1, 1))
conv("conv2d.strided", (2, 7, 8, 4), 6, (3, 2), stride=(2, 1), padding=(1, 0))
conv("conv2d.dilated", (1, 9, 8, 2), 3, (3, 3), dilation=(2, 1), padding=(2, 1))
conv("conv2d.groups", (2, 5, 5, 6), 4, (3, 3), padding=(1, 1), groups=2)
conv("conv2d.depthwise", (2, 6, 5, 4), 4, (3, 3), padding=(1, 1), groups=4)

# Batch normalisation; PyTorch's momentum is the weight of the new value.
x, s, o = leaf(3, 4, 5, 6), leaf(6), leaf(6)
mean, var = torch.randn(6), torch.rand(6) + 0.5
rm, rv = mean.clone(), var.clone()
y = nhwc(F.batch_norm(nchw(x), rm, rv, s, o, training=True, momentum=0.1, eps=1e-5))
keep("batch_norm.training", input=x, scale=s, offset=o, running_mean=mean, running_variance=var, output=y,
     moved_mean=rm, moved_variance=rv, **back(y, input=x, scale=s, offset=o))
y = nhwc(F.batch_norm(nchw(x), mean, var, s, o, training=False, eps=1e-5))
keep("batch_norm.inference", input=x, scale=s, offset=o, running_mean=mean, running_variance=var, output=y,
     **back(y, input=x, scale=s, offset=o))

for name, f in {"relu": F.relu, "relu6": lambda v: F.relu6(v * 4), "leaky_relu": lambda v: F.leaky_relu(v, 0.1),
                "sigmoid": torch.sigmoid, "tanh": torch.tanh}.items():
    x = leaf(4, 9)
    keep(f"activation.{name}", input=x, output=f(x), **back(f(x), input=x))

x = leaf(2, 7, 9, 3)
y = nhwc(F.max_pool2d(nchw(x), (3, 2), (2, 1)))
keep("max_pool2d.valid", input=x, output=y, **back(y, input=x))
y = nhwc(F.max_pool2d(F.pad(nchw(x), (0, 1, 0, 1), value=-1e30), 2, 2))
keep("max_pool2d.same", input=x, output=y, **back(y, input=x))

x, w, b = leaf(3, 4, 5), leaf(5, 7), leaf(7)
keep("linear", input=x, weight=w, bias=b, output=x @ w + b, **back(x @ w + b, input=x, weight=w, bias=b))

x = leaf(3, 4, 6)
keep("log_softmax", input=x, output=F.log_softmax(x, -1), **back(F.log_softmax(x, -1), input=x))


def lstm(case, bidirectional):
    n, t, c, h = 3, 6, 4, 5
    d = 2 if bidirectional else 1
    x = leaf(n, t, c)
    w_ih, w_hh, bias = leaf(c, d * 4 * h, scale=0.5), leaf(d, h, 4 * h, scale=0.5), leaf(d * 4 * h)
    frames = [6, 4, 1]
    net = torch.nn.LSTM(c, h, batch_first=True, bidirectional=bidirectional)
    weights = {}
    for i, suffix in enumerate(["", "_reverse"][:d]):
        weights[f"weight_ih_l0{suffix}"] = w_ih[:, i * 4 * h:(i + 1) * 4 * h].T
        weights[f"weight_hh_l0{suffix}"] = w_hh[i].T
        weights[f"bias_ih_l0{suffix}"] = bias[i * 4 * h:(i + 1) * 4 * h]
        weights[f"bias_hh_l0{suffix}"] = torch.zeros(4 * h)
    packed = torch.nn.utils.rnn.pack_padded_sequence(x, frames, batch_first=True)
    y, _ = torch.func.functional_call(net, weights, (packed,))
    y, _ = torch.nn.utils.rnn.pad_packed_sequence(y, batch_first=True, total_length=t)
    keep(case, input=x, w_ih=w_ih, w_hh=w_hh, bias=bias, frames=frames, output=y,
         **back(y, input=x, w_ih=w_ih, w_hh=w_hh, bias=bias))


lstm("lstm.forward", False)
lstm("lstm.both", True)

# CTC: repeats, empty, exactly as long as can be (with a repeat), length 1 on one frame, ordinary.
logits = leaf(5, 7, 5, scale=2.0)
labels = [[1, 1, 2, 2, 0], [0, 0, 0, 0, 0], [3, 3, 4, 3, 1], [2, 0, 0, 0, 0], [4, 1, 3, 0, 0]]
label_lengths, frames = [4, 0, 5, 1, 3], [7, 7, 6, 1, 5]
loss = F.ctc_loss(F.log_softmax(logits, -1).transpose(0, 1), torch.tensor(labels), torch.tensor(frames),
                  torch.tensor(label_lengths), blank=0, reduction="none")
keep("ctc_loss", logits=logits, labels=labels, label_lengths=label_lengths, frames=frames, loss=loss,
     **{k.replace("grad_output", "grad_loss"): v for k, v in back(loss, logits=logits).items()})

# Optimisers: ten steps with given gradients.
start, grads = torch.randn(13), torch.randn(10, 13)
for name, make in {
        "sgd": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
        "adam": lambda p: torch.optim.Adam(p, 0.01, weight_decay=0.01),
        "adamw": lambda p: torch.optim.AdamW(p, 0.01, weight_decay=0.1),
        "rmsprop": lambda p: torch.optim.RMSprop(p, 0.01, alpha=0.95, momentum=0.5, eps=1e-6),
        "adadelta": lambda p: torch.optim.Adadelta(p, 1.0, rho=0.9, eps=1e-6)}.items():
    p = torch.nn.Parameter(start.clone())
    optimizer = make([p])
    for g in grads:
        p.grad = g.clone()
        optimizer.step()
    keep(f"optimizer.{name}", start=start, gradients=grads, end=p)

# Ten steps of a small CRNN: convolution, batch norm, leaky ReLU, pooling, LSTM both ways, linear, CTC, Adam, clipping.
n, height, width, hidden, classes = 3, 8, 16, 6, 5
images = torch.randn(10, n, height, width, 1)
targets = torch.randint(1, classes, (10, n, 3))
net = torch.nn.ModuleDict({"conv": torch.nn.Conv2d(1, 4, 3, padding=1, bias=False), "norm": torch.nn.BatchNorm2d(4),
                           "lstm": torch.nn.LSTM(16, hidden, batch_first=True, bidirectional=True),
                           "output": torch.nn.Linear(2 * hidden, classes)})
with torch.no_grad():
    net["lstm"].bias_hh_l0.zero_()
    net["lstm"].bias_hh_l0_reverse.zero_()
net["lstm"].bias_hh_l0.requires_grad_(False)
net["lstm"].bias_hh_l0_reverse.requires_grad_(False)


def weights():
    l = net["lstm"]
    return {"conv": net["conv"].weight.permute(2, 3, 1, 0), "scale": net["norm"].weight, "offset": net["norm"].bias,
            "w_ih": torch.cat([l.weight_ih_l0, l.weight_ih_l0_reverse]).T,
            "w_hh": torch.stack([l.weight_hh_l0.T, l.weight_hh_l0_reverse.T]),
            "bias": torch.cat([l.bias_ih_l0, l.bias_ih_l0_reverse]),
            "output_weight": net["output"].weight.T, "output_bias": net["output"].bias}


keep("training", images=images, targets=targets, **{f"start_{k}": v.clone() for k, v in weights().items()})
optimizer = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], 0.01)
losses, norms = [], []
for step in range(10):
    y = F.leaky_relu(net["norm"](net["conv"](nchw(images[step]))), 0.1)
    y = nhwc(F.max_pool2d(y, 2))                                  # [n, 4, 8, 4]
    y = y.permute(0, 2, 1, 3).reshape(n, width // 2, 16)          # columns as time steps, features h * c
    y = F.log_softmax(net["output"](net["lstm"](y)[0]), -1)
    loss = F.ctc_loss(y.transpose(0, 1), targets[step], torch.full((n,), width // 2), torch.full((n,), 3),
                      reduction="none").mean()
    optimizer.zero_grad()
    loss.backward()
    norms.append(torch.nn.utils.clip_grad_norm_([p for p in net.parameters() if p.requires_grad], 2.0).item())
    optimizer.step()
    losses.append(loss.item())
keep("training", losses=losses, norms=norms, running_mean=net["norm"].running_mean,
     running_variance=net["norm"].running_var, **{f"end_{k}": v for k, v in weights().items()})

header, data = {"__metadata__": {"made_by": f"make_golden.py with PyTorch {torch.__version__}"}}, b""
for name in sorted(OUT, key=lambda k: (-OUT[k].itemsize, k)):
    raw = OUT[name].tobytes()
    header[name] = {"dtype": "I32" if OUT[name].dtype == np.int32 else "F64", "shape": list(OUT[name].shape),
                    "data_offsets": [len(data), len(data) + len(raw)]}
    data += raw
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
path = pathlib.Path(__file__).with_name("golden.safetensors")
path.write_bytes(struct.pack("<Q", len(text)) + text + data)
print(path, path.stat().st_size, "bytes")
