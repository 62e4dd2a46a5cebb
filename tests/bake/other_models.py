"""usage: other_models.py FOLDER: the models that are not made by PyTorch, after those that are."""

import logging
import pathlib
import sys

import onnx_models
import safetensors_models
import sklearn_models

logging.getLogger().setLevel(logging.ERROR)  # quantisation warns that it could do better
root = pathlib.Path(sys.argv[1])
for make in [*onnx_models.FAMILIES.values(), *sklearn_models.FAMILIES.values(),
             *safetensors_models.FAMILIES.values()]:  # fmt: skip
    make(root)
