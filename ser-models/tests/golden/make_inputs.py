"""Writes what PyTorch computes, for the tests of the models' inputs.

usage: python make_inputs.py        (writes resize.safetensors beside this script)
needs: pip install torch==2.15.0 safetensors==0.8.0
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

assert torch.__version__.split("+")[0] == "2.15.0", torch.__version__

x = torch.randn(7, 13, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
x = x.float().double()  # what both sides read
out = {"x": x.float()}
for size in [(7, 13), (14, 26), (5, 9), (3, 31), (20, 4), (1, 1), (1, 13), (8, 13)]:
    resized = F.interpolate(x[None, None], size=size, mode="bilinear", align_corners=False)
    out["{}x{}".format(*size)] = resized[0, 0].float().contiguous()
save_file(out, Path(__file__).parent / "resize.safetensors", metadata={"made_with": "torch 2.15.0"})
