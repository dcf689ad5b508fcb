"""PyTorch: contiguous, channels_last, compile (channels_last through torch.compile), bf16 (channels_last under autocast) and
compile-bf16."""
import contextlib
import os

os.environ.setdefault("TORCHINDUCTOR_FREEZING", "1")  # folds batch norm and packs weights, where nothing is trained

import torch
import torch.nn.functional as F

import networks
import protocol
import tensors

DROPOUT = 0.2
LEARNING_RATE = 1e-4


def array(tensor):
    """A copy: the next step may write over the tensor."""
    return tensor.detach().float().contiguous().numpy().copy()


class Variant:
    def __init__(self, name):
        self.channels_last = name != "contiguous"
        self.compiled = name.startswith("compile")
        self.bf16 = name.endswith("bf16")

    def prepare(self, module, x):
        if self.channels_last and x.dim() == 4:
            module, x = module.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
        return torch.compile(module) if self.compiled else module, x

    def precision(self):
        return torch.autocast("cpu", torch.bfloat16) if self.bf16 else contextlib.nullcontext()


def training(work, arrays, variant):
    """A whole step: forward, CTC, backward, Adam. Checked by the losses of three steps, without dropout; measured with it."""
    t = networks.torch_tensors(arrays)
    module = networks.network(work["preset"], t).train()
    x = t["input.images"].permute(0, 3, 1, 2).contiguous()
    forward, x = variant.prepare(module, x)
    optimizer = torch.optim.Adam([p for p in module.parameters() if p.requires_grad], LEARNING_RATE, fused=True)
    labels, lengths, batch = t["input.labels"].long(), t["input.label_lengths"].long(), len(x)

    def step():
        with variant.precision():
            logits = forward(x)
        log_probabilities = F.log_softmax(logits.float(), -1).transpose(0, 1)
        frames = torch.full((batch,), log_probabilities.shape[0])
        loss = F.ctc_loss(log_probabilities, labels, frames, lengths, reduction="sum") / batch
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.item()

    results = {"losses": array(torch.tensor([step() for _ in range(3)]))}
    for layer in module.modules():
        if isinstance(layer, torch.nn.Dropout):
            layer.p = DROPOUT
    return step, results


def inference(work, arrays, variant):
    module, x, name = networks.forward_case(work, arrays)
    forward, x = variant.prepare(module.eval(), x)

    def read():
        with torch.inference_mode(), variant.precision():
            return forward(x)

    return read, {name: tensors.to_ours(work, array(read()))}


def gradients(work, arrays, variant):
    """A convolution or an LSTM, forward and backward for a gradient of 1."""
    module, x, _ = networks.forward_case(work, arrays)
    forward, x = variant.prepare(module, x)
    x.requires_grad_()

    def step():
        module.zero_grad(set_to_none=True)
        x.grad = None
        y = forward(x)
        y.backward(torch.ones_like(y))
        return y

    results = {"y": tensors.to_ours(work, array(step()))}
    if work["op"] == "conv":
        results["grad_input"] = array(x.grad.permute(0, 2, 3, 1))
        results["grad_weight"] = array(module.weight.grad.permute(2, 3, 1, 0))
    else:
        l = module.lstm
        results["grad_x"] = array(x.grad)
        results["grad_w_ih"] = array(torch.cat([l.weight_ih_l0.grad, l.weight_ih_l0_reverse.grad]).T)
        results["grad_w_hh"] = array(torch.stack([l.weight_hh_l0.grad.T, l.weight_hh_l0_reverse.grad.T]))
    return step, results


def gemm(_, arrays, __):
    t = networks.torch_tensors(arrays)
    a, b = t["input.a"], t["input.b"]
    return lambda: torch.mm(a, b), {"y": array(torch.mm(a, b))}


def ctc(_, arrays, __):
    t = networks.torch_tensors(arrays)
    logits = t["input.logits"].requires_grad_()
    labels, lengths = t["input.labels"].long(), t["input.label_lengths"].long()
    frames = torch.full((len(logits),), logits.shape[1])

    def step():
        logits.grad = None
        losses = F.ctc_loss(F.log_softmax(logits, -1).transpose(0, 1), labels, frames, lengths, reduction="none")
        losses.sum().backward()
        return losses

    return step, {"losses": array(step()), "grad_logits": array(logits.grad)}


def case_of(work):
    if work["kind"] == "network":
        return training if work["mode"] == "train" else inference
    if work["op"] in ("gemm", "ctc"):
        return {"gemm": gemm, "ctc": ctc}[work["op"]]
    return gradients if work.get("backward") else inference


def set_up(arguments):
    torch.set_num_threads(arguments.threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(1)
    arrays, _ = tensors.read(arguments.dump)
    run, results = case_of(arguments.work)(arguments.work, arrays, Variant(arguments.variant))
    return run, {"version": f"PyTorch {torch.__version__} ({torch.backends.cpu.get_cpu_capability()})",
                 "difference": tensors.difference(results, arrays)}


if __name__ == "__main__":
    given = protocol.arguments()
    protocol.serve(lambda: set_up(given))
