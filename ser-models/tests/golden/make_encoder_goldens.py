"""Writes what the original Whisper encoder computes, for the tests of `ser_models::encoder`.

usage: python make_encoder_goldens.py whisper-base-encoder-4-blocks.f16.safetensors     (writes encoder.safetensors beside this script)
needs: pip install torch==2.15.0 transformers==5.24.0 safetensors==0.8.0 numpy

The modules are those of transformers' `WhisperEncoder`. Its `forward` refuses all lengths but 30 s, so it is spelt out here: convolutions,
as many positions as there are frames, blocks. Weights of the small encoder and all inputs come from a formula that the tests repeat.
"""

import sys
from pathlib import Path

import torch
import torch.nn.functional as F
import transformers
from safetensors.torch import load_file, save_file
from transformers import WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperEncoder

assert torch.__version__.split("+")[0] == "2.15.0", torch.__version__
assert transformers.__version__ == "5.24.0", transformers.__version__
HERE = Path(__file__).parent
torch.set_num_threads(1)


def numbers(shape, seed):
    """(i · 7919 + seed · 104729) mod 2003, brought to -0.5..0.5, in f32."""
    count = torch.Size(shape).numel()
    whole = (torch.arange(count, dtype=torch.int64) * 7919 + seed * 104729) % 2003
    return (whole.double() / 2003 - 0.5).float().reshape(shape)


def encoder(**sizes):
    config = WhisperConfig(**sizes, activation_function="gelu")
    config._attn_implementation = "eager"
    return WhisperEncoder(config).eval()


def made_up():
    """A small encoder whose weights follow the formula, numbered by the order of their names."""
    model = encoder(d_model=128, encoder_layers=2, encoder_attention_heads=2, encoder_ffn_dim=96, num_mel_bins=8, max_source_positions=20)
    state = model.state_dict()
    for seed, name in enumerate(sorted(name for name in state if not name.startswith("layer_norm."))):
        x = numbers(state[name].shape, seed)
        state[name] = 1 + 0.5 * x if name.endswith("layer_norm.weight") else 0.5 * x
    model.load_state_dict(state)
    return model


def base(path):
    model = encoder(d_model=512, encoder_layers=4, encoder_attention_heads=8, encoder_ffn_dim=2048, num_mel_bins=80)
    state = {name.removeprefix("encoder."): x.float() for name, x in load_file(path).items()}
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected and all(name.startswith("layer_norm.") for name in missing), (missing, unexpected)
    return model


@torch.inference_mode()
def layers(model, mel):
    """The output of the convolutions with positions, then that of each block, [layers, frames, width]."""
    x = F.gelu(model.conv2(F.gelu(model.conv1(mel[None])))).transpose(1, 2)
    x = x + model.embed_positions.weight[: x.shape[1]]
    outputs = [x]
    for block in model.layers:
        x = block(x, None)
        x = x[0] if isinstance(x, tuple) else x
        outputs.append(x)
    return torch.cat(outputs)


def main():
    out = {}
    small, real = made_up(), base(sys.argv[1])
    for frames in (1, 8, 13, 40):
        out[f"small.{frames}"] = layers(small, 2 * numbers((8, frames), 100 + frames))
    out["base.25"] = layers(real, 2 * numbers((80, 25), 125))
    # Three seconds: mean and standard deviation over time.
    x = layers(real, 2 * numbers((80, 300), 400))
    out["base.300.mean"], out["base.300.std"] = x.mean(1), (x.var(1, unbiased=False) + 1e-5).sqrt()
    made_with = f"torch 2.15.0, transformers {transformers.__version__}"
    save_file({name: x.contiguous().clone() for name, x in out.items()}, HERE / "encoder.safetensors", metadata={"made_with": made_with})


main()
