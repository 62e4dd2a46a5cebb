"""The weights of a ResNet-18 as safetensors writes them.

Each family is a function of the folder of all models that writes its own folder's model.safetensors
and inputs.npz: the features that go into the head.
"""

import functools

import ml_dtypes
import numpy as np
from safetensors.numpy import save_file


def make(root, name, dtype=np.float32, drop=(), copies=(), metadata=None):
    """`drop`: tensors to leave out; `copies`: (from, to)."""
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    with np.load(root / "state-dict" / "weights.npz") as arrays:
        tensors = {
            key: value.astype(dtype) if value.dtype == np.float32 else value
            for key, value in arrays.items()
            if key not in drop
        }
    for source, target in copies:
        tensors[target] = tensors[source][::-1].copy()
    save_file(tensors, folder / "model.safetensors", metadata=metadata)
    np.savez(folder / "inputs.npz", features=np.load(root / "state-dict" / "features.npy"))


FAMILIES = {
    name: functools.partial(make, name=name, **options)
    for name, options in {
        "safetensors-float32": {"metadata": {"format": "pt"}},
        "safetensors-float16": {"dtype": np.float16},
        "safetensors-bfloat16": {"dtype": ml_dtypes.bfloat16},
        "safetensors-float64": {"dtype": np.float64},
        "safetensors-no-bias": {"drop": ["head.bias"]},
        "safetensors-two-heads": {
            "copies": [("head.weight", "aux.weight"), ("head.bias", "aux.bias")]
        },
    }.items()
}
