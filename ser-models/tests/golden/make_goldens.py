"""Writes what PyTorch and Keras compute, for the tests of the layers and the optimisers.

usage: KERAS_BACKEND=torch python make_goldens.py        (writes *.safetensors beside this script)
needs: pip install torch==2.15.0 keras==3.15.1 safetensors==0.8.0 numpy
"""

import os
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

assert torch.__version__.split("+")[0] == "2.15.0", torch.__version__
assert keras.__version__ == "3.15.1", keras.__version__
HERE = Path(__file__).parent
torch.set_num_threads(1)


def draw(*shape, seed, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def save(name, tensors):
    tensors = {k: v.detach().contiguous().clone() for k, v in tensors.items()}
    save_file(tensors, HERE / name, metadata={"made_with": f"torch 2.15.0, keras {keras.__version__}"})


def with_gradients(out, y, name, **inputs):
    """Stores inputs, output and the gradients of a fixed weighting of the output."""
    dy = draw(*y.shape, seed=999)
    (y * dy).sum().backward()
    out[f"{name}.y"], out[f"{name}.dy"] = y, dy
    for key, value in inputs.items():
        out[f"{name}.{key}"], out[f"{name}.d{key}"] = value, value.grad


def same_padding(length, kernel, stride, dilation=1):
    """What TensorFlow puts before and after an axis for ceil(length / stride) outputs."""
    reach = (kernel - 1) * dilation + 1
    total = max((-(-length // stride) - 1) * stride + reach - length, 0)
    return [total // 2, total - total // 2]


def layers():
    out = {}
    leaf = lambda *shape, seed: draw(*shape, seed=seed).requires_grad_()

    # name: (batch, channels, length, filters, kernel, stride, dilation, padding)
    convolutions = {
        "conv_same": (3, 4, 13, 5, 5, 1, 1, "same"),
        "conv_same_even": (2, 3, 11, 4, 4, 1, 1, "same"),
        "conv_same_dilated": (2, 3, 11, 4, 3, 1, 3, "same"),
        "conv_valid": (3, 4, 13, 5, 5, 1, 1, "valid"),
        "conv_valid_strided": (3, 4, 13, 5, 3, 2, 1, "valid"),
        "conv_valid_strided_dilated": (2, 3, 17, 4, 3, 3, 2, "valid"),
        "conv_causal": (3, 4, 13, 5, 2, 1, 4, "causal"),
        "conv_causal_strided": (2, 3, 12, 4, 3, 2, 2, "causal"),
        "conv_same_strided": (3, 4, 13, 5, 5, 2, 1, "same"),
        "conv_same_strided_dilated": (2, 3, 14, 4, 4, 3, 2, "same"),
    }
    for name, (b, c, n, o, k, stride, dilation, padding) in convolutions.items():
        x, w, bias = leaf(b, c, n, seed=1), leaf(o, c, k, seed=2), leaf(o, seed=3)
        seen, pad = (F.pad(x, (dilation * (k - 1), 0)), "valid") if padding == "causal" else (x, padding)
        if padding == "same" and stride > 1:  # which PyTorch does not offer
            seen, pad = F.pad(x, same_padding(n, k, stride, dilation)), "valid"
        y = F.conv1d(seen, w, bias, stride=stride, dilation=dilation, padding=pad)
        with_gradients(out, y, name, x=x, weight=w, bias=bias)

    for name, (size, stride) in {"pool_2_2": (2, 2), "pool_3_2": (3, 2), "pool_2_3": (2, 3)}.items():
        x = draw(2, 3, 11, seed=4).relu().requires_grad_()  # the zeros of the ReLU are equal values in one window
        with_gradients(out, F.max_pool1d(x, size, stride), name, x=x)

    for name, shape in {"batch_norm_1d": (6, 4), "batch_norm_sequence": (3, 4, 7), "batch_norm_image": (2, 4, 3, 5)}.items():
        norm = (torch.nn.BatchNorm2d if len(shape) == 4 else torch.nn.BatchNorm1d)(4, eps=1e-3, momentum=0.1).double()
        with torch.no_grad():
            norm.weight.copy_(draw(4, seed=5))
            norm.bias.copy_(draw(4, seed=6))
        norm(draw(*shape, seed=7) * 2 + 1)  # a first batch, so that the running statistics have moved twice
        x = leaf(*shape, seed=8)
        with_gradients(out, norm(x), name, x=x, weight=norm.weight, bias=norm.bias)
        out[f"{name}.first_x"] = draw(*shape, seed=7) * 2 + 1
        out[f"{name}.running_mean"], out[f"{name}.running_var"] = norm.running_mean, norm.running_var
        out[f"{name}.inference"] = norm.eval()(x)

    # Same padding, which the mean does not count.
    for name, (size, stride) in {"pool_same_3_2": (3, 2), "pool_same_4_3": (4, 3)}.items():
        beyond = same_padding(11, size, stride)
        x = draw(2, 3, 11, seed=14).relu().requires_grad_()
        with_gradients(out, F.max_pool1d(F.pad(x, beyond, value=-torch.inf), size, stride), f"max_{name}", x=x)
        x = leaf(2, 3, 11, seed=15)
        inside = F.avg_pool1d(F.pad(torch.ones_like(x), beyond), size, stride)
        with_gradients(out, F.avg_pool1d(F.pad(x, beyond), size, stride) / inside, f"avg_{name}", x=x)
    x = leaf(2, 3, 11, seed=16)
    with_gradients(out, x.mean(2), "global_avg_pool_sequence", x=x)
    x = leaf(2, 3, 11, seed=17)
    with_gradients(out, F.adaptive_max_pool1d(x, 1).flatten(1), "global_max_pool_sequence", x=x)

    lengths = torch.tensor([6, 3, 1])
    for name, masked in {"attention": False, "attention_masked": True}.items():
        x, w, bias, vector = leaf(3, 6, 5, seed=18), leaf(4, 5, seed=19), leaf(4, seed=20), leaf(1, 4, seed=21)
        scores = F.linear(torch.tanh(F.linear(x, w, bias)), vector)
        if masked:
            scores = scores.masked_fill((torch.arange(6) >= lengths[:, None])[..., None], -torch.inf)
        y = (torch.softmax(scores, 1) * x).sum(1)
        with_gradients(out, y, name, x=x, weight=w, bias=bias, vector=vector)
    x = leaf(5, 4, seed=22)
    with_gradients(out, torch.softmax(3 * x, 1), "softmax", x=x)

    x, weight = leaf(3, 12, 5, seed=23), leaf(4, seed=24)
    mixed = (torch.softmax(weight, 0)[:, None, None] * x.unflatten(1, (4, 3))).sum(1)
    with_gradients(out, mixed, "layer_mixture", x=x, weight=weight)
    for name, valid in {"statistics": [6, 6, 6], "statistics_masked": [6, 3, 1]}.items():
        x = leaf(3, 6, 5, seed=25)
        pooled = [torch.cat([x[i, :n].mean(0), (x[i, :n].var(0, unbiased=False) + 1e-5).sqrt()]) for i, n in enumerate(valid)]
        with_gradients(out, torch.stack(pooled), name, x=x)
    for name, masked in {"attentive_statistics": False, "attentive_statistics_masked": True}.items():
        x, w, bias, vector = leaf(3, 6, 5, seed=26), leaf(4, 5, seed=27), leaf(4, seed=28), leaf(1, 4, seed=29)
        scores = F.linear(torch.tanh(F.linear(x, w, bias)), vector)
        if masked:
            scores = scores.masked_fill((torch.arange(6) >= lengths[:, None])[..., None], -torch.inf)
        shares = torch.softmax(scores, 1)
        mean = (shares * x).sum(1)
        deviation = ((shares * (x - mean[:, None]) ** 2).sum(1) + 1e-5).sqrt()
        with_gradients(out, torch.cat([mean, deviation], 1), name, x=x, weight=w, bias=bias, vector=vector)

    x, w, bias = leaf(5, 7, seed=9), leaf(3, 7, seed=10), leaf(3, seed=11)
    with_gradients(out, F.linear(x, w, bias), "dense", x=x, weight=w, bias=bias)
    x = leaf(3, 4, 5, seed=12)
    with_gradients(out, F.relu(x), "relu", x=x)

    logits, labels = draw(6, 4, seed=13) * 2, torch.tensor([0, 3, 1, 1, 2, 0])
    weights = torch.tensor([0.5, 2.0, 1.0, 1.5], dtype=torch.float64)
    for name, weight, smoothing in [("loss", None, 0.0), ("loss_smoothed", None, 0.1), ("loss_weighted", weights, 0.0), ("loss_both", weights, 0.2)]:
        x = logits.clone().requires_grad_()
        y = F.cross_entropy(x, labels, weight=weight, label_smoothing=smoothing)
        y.backward()
        out[f"{name}.x"], out[f"{name}.y"], out[f"{name}.dx"] = x, y, x.grad
    save("layers.safetensors", out)


def images():
    """Convolution and pooling over two axes, and pooling with means."""
    out = {}
    leaf = lambda *shape, seed: draw(*shape, seed=seed).requires_grad_()

    # name: (batch, channels, height, width, filters, kernel, stride, dilation, padding of height, of width)
    convolutions = {
        "conv2d_same": (2, 3, 5, 7, 4, (3, 3), 1, 1, "same", "same"),
        "conv2d_same_even_dilated": (2, 2, 6, 7, 3, (2, 3), 1, (1, 2), "same", "same"),
        "conv2d_valid_strided": (3, 2, 7, 9, 4, (3, 2), (2, 3), 1, "valid", "valid"),
        "conv2d_valid_strided_dilated": (2, 3, 7, 9, 2, (2, 3), (1, 2), (3, 2), "valid", "valid"),
        "conv2d_causal": (2, 2, 5, 8, 3, (3, 3), 1, (1, 2), "same", "causal"),
        "conv2d_causal_strided": (2, 2, 5, 8, 3, (3, 2), (1, 2), 1, "valid", "causal"),
        "conv2d_causal_strided_dilated": (2, 2, 5, 9, 3, (2, 3), (2, 2), (2, 2), "same", "causal"),
        "conv2d_same_strided": (2, 3, 6, 9, 3, (3, 4), (2, 3), 1, "same", "same"),
        "conv2d_same_strided_dilated": (2, 2, 7, 8, 3, (3, 2), (3, 2), (1, 2), "same", "same"),
    }
    for name, (b, c, h, w, o, kernel, stride, dilation, rows, columns) in convolutions.items():
        x, weight, bias = leaf(b, c, h, w, seed=1), leaf(o, c, *kernel, seed=2), leaf(o, seed=3)
        dilations = dilation if isinstance(dilation, tuple) else (dilation, dilation)
        strides = stride if isinstance(stride, tuple) else (stride, stride)
        beyond = []
        for axis, length, padding in [(1, w, columns), (0, h, rows)]:
            k, s, d = kernel[axis], strides[axis], dilations[axis]
            beyond += {"valid": [0, 0], "same": same_padding(length, k, s, d), "causal": [(k - 1) * d, 0]}[padding]
        y = F.conv2d(F.pad(x, beyond), weight, bias, stride=stride, dilation=dilation)
        with_gradients(out, y, name, x=x, weight=weight, bias=bias)

    for name, (size, stride) in {"max_pool2d_2_2": ((2, 2), (2, 2)), "max_pool2d_3_2": ((3, 2), (2, 3))}.items():
        x = draw(2, 3, 5, 7, seed=4).relu().requires_grad_()  # the zeros of the ReLU are equal values in one window
        with_gradients(out, F.max_pool2d(x, size, stride), name, x=x)
    for name, (size, stride) in {"avg_pool2d_2_2": ((2, 2), (2, 2)), "avg_pool2d_3_2": ((3, 2), (2, 3))}.items():
        x = leaf(2, 3, 5, 7, seed=5)
        with_gradients(out, F.avg_pool2d(x, size, stride), name, x=x)
    for name, (size, stride) in {"pool2d_same": ((3, 2), (2, 3)), "pool2d_same_even": ((2, 4), (2, 2))}.items():
        beyond = same_padding(7, size[1], stride[1]) + same_padding(5, size[0], stride[0])
        x = draw(2, 3, 5, 7, seed=9).relu().requires_grad_()
        with_gradients(out, F.max_pool2d(F.pad(x, beyond, value=-torch.inf), size, stride), f"max_{name}", x=x)
        x = leaf(2, 3, 5, 7, seed=10)
        inside = F.avg_pool2d(F.pad(torch.ones_like(x), beyond), size, stride)
        with_gradients(out, F.avg_pool2d(F.pad(x, beyond), size, stride) / inside, f"avg_{name}", x=x)
    for name, (size, stride) in {"avg_pool1d_3_2": (3, 2), "avg_pool1d_2_3": (2, 3)}.items():
        x = leaf(2, 3, 11, seed=6)
        with_gradients(out, F.avg_pool1d(x, size, stride), name, x=x)
    x = leaf(2, 3, 5, 7, seed=7)
    with_gradients(out, F.adaptive_avg_pool2d(x, 1).flatten(1), "global_avg_pool", x=x)
    x = leaf(2, 3, 5, 7, seed=8)
    with_gradients(out, F.adaptive_max_pool2d(x, 1).flatten(1), "global_max_pool", x=x)
    save("images.safetensors", out)


def packed(state, prefix=""):
    """PyTorch's parameters of a recurrent layer as one weight and one bias for each layer and direction."""
    out = {}
    for key in state:
        if key.startswith(f"{prefix}weight_ih_"):
            end = key.removeprefix(f"{prefix}weight_ih_")
            part = lambda kind: state[f"{prefix}{kind}_{end}"]
            out[f"{end}.weight"] = torch.cat([part("weight_ih"), part("weight_hh")], 1)
            out[f"{end}.bias"] = part("bias_ih") + part("bias_hh")
    return out


def packed_gradients(module):
    grads = {k: p.grad for k, p in module.named_parameters()}
    # The gradient of a sum is that of each of its terms.
    return {k: v / 2 if k.endswith("bias") else v for k, v in packed(grads).items()}


def recurrent():
    out = {}
    n = torch.nn
    lengths = torch.tensor([7, 3, 1, 5])
    modules = {
        "rnn": n.RNN(3, 4, batch_first=True),
        "lstm": n.LSTM(3, 4, batch_first=True),
        "lstm_stacked": n.LSTM(3, 4, num_layers=2, batch_first=True),
        "lstm_bidirectional": n.LSTM(3, 4, num_layers=2, bidirectional=True, batch_first=True),
    }
    for m, (kind, module) in enumerate(modules.items()):
        module.double()
        with torch.no_grad():
            for i, p in enumerate(module.parameters()):
                p.copy_(draw(*p.shape, seed=200 + 20 * m + i) * 0.5)
        for key, value in packed(dict(module.named_parameters())).items():
            out[f"{kind}.{key}"] = value
        for masked in [False, True]:
            for states in ["sequence", "last"]:
                name = f"{kind}_{states}" + ("_masked" if masked else "")
                x = draw(4, 7, 3, seed=40).requires_grad_()
                given = n.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False) if masked else x
                module.zero_grad()
                y, h = module(given)
                if masked:
                    y, _ = n.utils.rnn.pad_packed_sequence(y, batch_first=True, total_length=7)
                if states == "last":  # of both directions of the last layer, concatenated
                    h = h[0] if isinstance(h, tuple) else h
                    h = h.view(module.num_layers, -1, 4, 4)[-1]
                    y = torch.cat(list(h), -1)
                with_gradients(out, y, name, x=x)
                for key, value in packed_gradients(module).items():
                    out[f"{name}.d{key}"] = value
    save("recurrent.safetensors", out)


def optimizers():
    start, gradients = draw(7, seed=20, dtype=torch.float32), draw(10, 7, seed=21, dtype=torch.float32)
    gradients[:, 6] = 0  # a parameter without a gradient, and one whose gradient vanishes
    gradients[4:, 5] *= 1e-5
    out = {"start": start, "gradients": gradients}

    def torch_run(name, make):
        p = start.clone().requires_grad_()
        optimizer, rows = make([p]), []
        for g in gradients:
            p.grad = g.clone()
            optimizer.step()
            rows.append(p.detach().clone())
        out[name] = torch.stack(rows)

    def keras_run(name, optimizer):
        v = keras.Variable(start.numpy())
        optimizer.build([v])
        rows = []
        for g in gradients:
            optimizer.apply([g], [v])
            rows.append(v.value.detach().clone())
        out[name] = torch.stack(rows)

    o = torch.optim
    torch_run("torch_sgd", lambda p: o.SGD(p, lr=0.1))
    torch_run("torch_sgd_momentum", lambda p: o.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01))
    torch_run("torch_sgd_nesterov", lambda p: o.SGD(p, lr=0.1, momentum=0.9, nesterov=True))
    torch_run("torch_adam", lambda p: o.Adam(p, lr=0.01))
    torch_run("torch_adam_decay", lambda p: o.Adam(p, lr=0.01, betas=(0.93, 0.98), weight_decay=0.1))
    torch_run("torch_adamw", lambda p: o.AdamW(p, lr=0.01, weight_decay=0.1))
    torch_run("torch_rmsprop", lambda p: o.RMSprop(p, lr=0.01))
    torch_run("torch_rmsprop_momentum", lambda p: o.RMSprop(p, lr=0.01, momentum=0.9, weight_decay=0.1))
    k = keras.optimizers
    keras_run("keras_sgd_momentum", k.SGD(0.1, momentum=0.9))
    keras_run("keras_rmsprop", k.RMSprop(0.01))
    keras_run("keras_rmsprop_momentum", k.RMSprop(0.01, momentum=0.9))
    keras_run("keras_adam", k.Adam(0.01))
    save("optimizers.safetensors", out)


def model():
    """Five steps of a small 1D CNN: Conv -> ReLU -> BatchNorm -> MaxPool, twice, then Dense; Adam, f64."""
    n = torch.nn
    norm = lambda c: n.BatchNorm1d(c, eps=1e-3, momentum=0.01)
    net = n.Sequential(
        n.Conv1d(1, 4, 5, padding=2), n.ReLU(), norm(4), n.MaxPool1d(2),
        n.Conv1d(4, 6, 3, padding=1), n.ReLU(), norm(6), n.MaxPool1d(2),
        n.Flatten(), n.Linear(6 * 5, 3),
    ).double()
    names = ["conv1d_1", None, "batch_norm_1", None, "conv1d_2", None, "batch_norm_2", None, None, "dense_1"]
    out = {}

    def record(prefix):
        for name, layer in zip(names, net):
            for key, value in layer.state_dict().items():
                if name and key != "num_batches_tracked":
                    out[f"{prefix}.{name}.{key}"] = value.clone()

    with torch.no_grad():
        for i, p in enumerate(net.parameters()):
            p.copy_(draw(*p.shape, seed=100 + i) * 0.5)
    record("before")
    x, labels = draw(8, 1, 20, seed=30), torch.tensor([0, 1, 2, 0, 1, 2, 2, 2])
    optimizer, losses = torch.optim.Adam(net.parameters(), lr=0.01), []
    for _ in range(5):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), labels, label_smoothing=0.1)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    record("after")
    out |= {"x": x, "losses": torch.stack(losses), "logits": net.eval()(x)}
    save("cnn_1d.safetensors", out)


def models():
    """Small models: one training step's logits and gradients of clips that are padded, and the logits afterwards."""
    n = torch.nn
    out = {}

    def inside(lengths, frames):
        return (torch.arange(frames)[None] < lengths[:, None]).double()

    def mask(x, lengths):  # [batch, ..., frames]
        return x * inside(lengths, x.shape[-1]).view(len(lengths), *[1] * (x.dim() - 2), -1)

    def norm(layer, x, lengths):
        """Batch normalisation of [batch, channels, ..., frames] whose statistics are those of the real frames."""
        if not layer.training:
            return layer(x)
        own = inside(lengths, x.shape[-1]).bool().view(len(lengths), *[1] * (x.dim() - 2), -1).expand_as(x).transpose(0, 1)
        packed = x.transpose(0, 1)[own].view(1, x.shape[1], -1)
        packed = layer(packed[..., None])[..., 0] if isinstance(layer, n.BatchNorm2d) else layer(packed)
        return torch.zeros_like(x.transpose(0, 1)).masked_scatter(own, packed).transpose(0, 1)

    def run(recurrent, x, lengths, states):
        packed = n.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        y, h = recurrent(packed)
        if states == "sequence":
            return n.utils.rnn.pad_packed_sequence(y, batch_first=True, total_length=x.shape[1])[0]
        return (h[0] if isinstance(h, tuple) else h)[-1]

    def steps(x):
        return x.flatten(1, -2).transpose(1, 2)

    def attend(weight, vector, x, lengths):  # the attention-weighted mean of [batch, frames, features]
        scores = vector(weight(x).tanh())[..., 0].masked_fill(inside(lengths, x.shape[1]) == 0, -torch.inf)
        return (scores.softmax(1)[..., None] * x).sum(1)

    def conv(kind, i, o, k, **kw):
        return kind(i, o, k, padding="same", **kw)

    class CnnLstm(n.Module):
        shape, lengths = (6, 13), [13, 9, 3, 12]
        names = {"c1": "conv2d_1", "b1": "batch_norm_1", "c2": "conv2d_2", "b2": "batch_norm_2", "l": "lstm_1", "d1": "head.dense_1", "d2": "head.dense_2"}
        def __init__(s):
            super().__init__()
            s.c1, s.b1, s.c2, s.b2 = conv(n.Conv2d, 1, 3, 3), n.BatchNorm2d(3), conv(n.Conv2d, 3, 4, 3), n.BatchNorm2d(4)
            s.l, s.d1, s.d2 = n.LSTM(4 * 3, 5, batch_first=True), n.Linear(5, 4), n.Linear(4, 3)
        def forward(s, x, lengths):
            x = x[:, None]
            for c, b, pool in [(s.c1, s.b1, (2, 2)), (s.c2, s.b2, (1, 2))]:
                x = F.max_pool2d(norm(b, c(mask(x, lengths)), lengths).relu(), pool)
                lengths = (lengths // 2).clamp(min=1)
            return s.d2(s.d1(run(s.l, steps(x), lengths, "last")).relu())

    class Hybrid(n.Module):
        shape, lengths = (4, 13), [13, 9, 4, 12]
        names = {"c1": "conv1d_1", "b1": "batch_norm_1", "c2": "conv1d_2", "b2": "batch_norm_2", "l": "lstm_1", "d1": "head.dense_1", "d2": "head.dense_2"}
        def __init__(s):
            super().__init__()
            s.c1, s.b1, s.c2, s.b2 = conv(n.Conv1d, 4, 5, 3), n.BatchNorm1d(5), conv(n.Conv1d, 5, 6, 3), n.BatchNorm1d(6)
            s.l, s.d1, s.d2 = n.LSTM(6, 4, num_layers=2, batch_first=True), n.Linear(4, 4), n.Linear(4, 3)
        def forward(s, x, lengths):
            x = F.max_pool1d(norm(s.b1, s.c1(mask(x, lengths)).relu(), lengths), 2)
            lengths = (lengths // 2).clamp(min=1)
            x = norm(s.b2, s.c2(mask(x, lengths)).relu(), lengths)
            return s.d2(s.d1(run(s.l, steps(x), lengths, "last")).relu())

    class RnnLstm(n.Module):
        shape, lengths = (5, 7), [7, 7, 7, 7]
        names = {"r": "simple_rnn_1", "l": "lstm_1", "d1": "head.dense_1", "d2": "head.dense_2"}
        def __init__(s):
            super().__init__()
            s.r, s.l, s.d1, s.d2 = n.RNN(5, 4, batch_first=True), n.LSTM(4, 3, batch_first=True), n.Linear(3, 4), n.Linear(4, 3)
        def forward(s, x, lengths):
            return s.d2(s.d1(s.l(s.r(steps(x))[0])[0][:, -1]).relu())

    class AttentionLstm(n.Module):
        shape, lengths = (4, 9), [9, 5, 1, 8]
        names = {"p": "conv1d_1", "l1": "lstm_1", "b1": "batch_norm_1", "l2": "lstm_2", "a": "attention_1", "v": "attention_1", "b2": "batch_norm_2", "d": "head.dense_1"}
        def __init__(s):
            super().__init__()
            lstm = lambda: n.LSTM(6, 3, bidirectional=True, batch_first=True)
            s.p, s.l1, s.b1, s.l2 = n.Conv1d(4, 6, 1), lstm(), n.BatchNorm1d(6), lstm()
            s.a, s.v, s.b2, s.d = n.Linear(6, 4), n.Linear(4, 1, bias=False), n.BatchNorm1d(6), n.Linear(6, 3)
        def forward(s, x, lengths):
            x = steps(s.p(mask(x, lengths)))
            x = x + run(s.l1, x, lengths, "sequence")
            x = norm(s.b1, x.transpose(1, 2), lengths).transpose(1, 2)
            y = run(s.l2, x, lengths, "sequence")
            return s.d(s.b2(attend(s.a, s.v, y, lengths)))

    class CnnAttention(n.Module):
        shape, lengths = (6, 13), [13, 9, 3, 12]
        names = {"c1": "conv2d_1", "b1": "batch_norm_1", "c2": "conv2d_2", "b2": "batch_norm_2", "a": "attention_1", "v": "attention_1", "d": "head.dense_1"}
        def __init__(s):
            super().__init__()
            s.c1, s.b1, s.c2, s.b2 = conv(n.Conv2d, 1, 3, 3), n.BatchNorm2d(3), conv(n.Conv2d, 3, 4, 3), n.BatchNorm2d(4)
            s.a, s.v, s.d = n.Linear(4 * 1, 5), n.Linear(5, 1, bias=False), n.Linear(4 * 1, 3)
        def forward(s, x, lengths):
            x = x[:, None]
            for c, b, pool in [(s.c1, s.b1, (2, 2)), (s.c2, s.b2, (2, 1))]:
                x = F.max_pool2d(norm(b, c(mask(x, lengths)), lengths).relu(), pool)
                lengths = (lengths // pool[1]).clamp(min=1)
            return s.d(attend(s.a, s.v, steps(x), lengths))

    class TimNet(n.Module):
        shape, lengths = (4, 9), [9, 5, 1, 8]
        def __init__(s):
            super().__init__()
            s.names = {}
            for way in ["forward", "backward"]:
                s.add(f"{way}.conv1d_1", n.Conv1d(4, 5, 1))
                for block in range(3):
                    for half in [1, 2]:
                        s.add(f"{way}.block_{block + 1}.conv1d_{half}", n.Conv1d(5, 5, 2, dilation=2**block))
                        s.add(f"{way}.block_{block + 1}.batch_norm_{half}", n.BatchNorm1d(5))
            s.add("fusion", n.Linear(3, 1, bias=False))
            s.add("head.dense_1", n.Linear(5, 3))
        def add(s, name, module):
            s.names[name.replace(".", "_")] = name
            s.add_module(name.replace(".", "_"), module)
        def forward(s, x, lengths):
            own = mask(torch.ones_like(x[:, :1]), lengths) / lengths[:, None, None]
            means = [0, 0, 0]
            for way in ["forward", "backward"]:
                y = x
                if way == "backward":
                    y = torch.stack([torch.cat([c[:, :k].flip(1), c[:, k:]], 1) for c, k in zip(x, lengths)])
                y = s.get_submodule(f"{way}_conv1d_1")(y)
                for block in range(3):
                    z = y
                    for half in [1, 2]:
                        c, b = [s.get_submodule(f"{way}_block_{block + 1}_{kind}_{half}") for kind in ["conv1d", "batch_norm"]]
                        z = norm(b, c(F.pad(z, (2**block, 0))), lengths).relu()
                    y = y * z.sigmoid()
                    means[block] = means[block] + (y * own).sum(2)
            return s.head_dense_1(s.fusion(torch.stack(means, 2))[..., 0])

    def record(out, prefix, model, gradients):
        for part, name in model.names.items():
            module = model.get_submodule(part)
            if isinstance(module, n.RNNBase):
                values = packed_gradients(module) if gradients else packed(dict(module.named_parameters()))
                values = {k.removeprefix("l0.") if type(module) is n.RNN else k: v for k, v in values.items()}
            elif gradients:
                values = {k: p.grad for k, p in module.named_parameters()}
            else:
                values = {k: v for k, v in module.state_dict().items() if k != "num_batches_tracked"}
            for key, value in values.items():
                key = "vector" if part == "v" else key
                out[f"{prefix}.{name}.{key}"] = value.clone()

    kinds = {"cnn-lstm": CnnLstm(), "hybrid": Hybrid(), "rnn-lstm": RnnLstm(), "attention-lstm": AttentionLstm(), "tim-net": TimNet(), "cnn-attention": CnnAttention()}
    for m, (kind, model) in enumerate(kinds.items()):
        model.double()
        with torch.no_grad():
            for i, p in enumerate(model.parameters()):
                p.copy_(draw(*p.shape, seed=1000 * (m + 1) + i) * 0.5)
        record(out, f"{kind}.before", model, False)
        lengths = torch.tensor(model.lengths)
        x = mask(draw(4, *model.shape, seed=50 + m), lengths)
        logits = model(x, lengths)
        dy = draw(*logits.shape, seed=60)
        (logits * dy).sum().backward()
        record(out, f"{kind}.gradient", model, True)
        out |= {f"{kind}.x": x, f"{kind}.lengths": lengths, f"{kind}.logits": logits, f"{kind}.dy": dy}
        out[f"{kind}.inference"] = model.eval()(x, lengths)
    save("models.safetensors", out)


def transformer():
    """A pre-norm block with the module of PyTorch, whose queries, keys and values lie in one tensor; keys have no bias."""
    out = {}
    width, lengths = 6, torch.tensor([5, 3, 1])
    block = torch.nn.TransformerEncoderLayer(
        width, nhead=2, dim_feedforward=7, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    ).double()
    with torch.no_grad():
        for i, p in enumerate(block.parameters()):
            p.copy_(draw(*p.shape, seed=800 + i) * 0.5)
        block.self_attn.in_proj_bias[width : 2 * width] = 0
    names = {"out_proj": block.self_attn.out_proj, "fc1": block.linear1, "fc2": block.linear2}
    names |= {"self_attn_layer_norm": block.norm1, "final_layer_norm": block.norm2}
    for name, masked in {"transformer": False, "transformer_masked": True}.items():
        block.zero_grad()
        x = draw(3, 5, width, seed=820).requires_grad_()
        valid = torch.arange(5) < lengths[:, None]
        y = block(x, src_key_padding_mask=~valid if masked else None)
        if masked:
            y = torch.where(valid[..., None], y, 0)
        with_gradients(out, y, name, x=x)
        for part, module in names.items():
            for key, p in module.named_parameters():
                out[f"{name}.{part}.{key}"], out[f"{name}.d{part}.{key}"] = p, p.grad
        attention = block.self_attn
        for i, part in enumerate(["q_proj", "k_proj", "v_proj"]):
            rows = slice(i * width, (i + 1) * width)
            for key, p in {"weight": attention.in_proj_weight, "bias": attention.in_proj_bias}.items():
                if (part, key) != ("k_proj", "bias"):
                    out[f"{name}.{part}.{key}"], out[f"{name}.d{part}.{key}"] = p[rows], p.grad[rows]
    save("transformer.safetensors", out)


layers()
images()
recurrent()
transformer()
models()
optimizers()
model()
