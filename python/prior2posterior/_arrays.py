"""Arrays of any library as what the core reads, and results in the type of the input."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import _core
from ._errors import DeviceCopyWarning, Error, warn

_CPU = 1  # kDLCPU
_UNNAMED_COLUMNS = re.compile(r"column_\d+|f\d+|\d+")


class Rows(NamedTuple):
    """A score array as the core reads it."""

    array: NDArray[Any]  # bfloat16 as its uint16 bits
    wrap: Callable[[NDArray[Any]], Any]  # a result as the input was
    names: list[str] | None  # of the columns
    dtype: np.dtype[Any] | None  # of bfloat16; None: that of the array


def _same(array: NDArray[Any]) -> NDArray[Any]:
    return array


def library(value: object) -> str:
    """Return the name of the library that `value`'s type comes from."""
    return type(value).__module__.partition(".")[0]


def _refuse(name: str, found: str, expected: str) -> Error:
    return Error(f"'{name}' {found}; {expected}")


def _check(array: NDArray[Any], name: str) -> NDArray[Any]:
    """Return the array in native byte order; Error when its elements are no floats."""
    dtype = array.dtype
    if dtype.kind != "f" or dtype.itemsize > 8:
        hint = {
            "O": "convert it to numbers first, as in array.astype(numpy.float32)",
            "c": "scores are real; take the real part or the magnitude",
            "b": "scores are floats; did you pass a mask?",
        }.get(dtype.kind, "pass scores as float16, bfloat16, float32 or float64")
        raise _refuse(name, f"holds {dtype}", hint)
    if not dtype.isnative:
        return array.astype(dtype.newbyteorder("="))
    return array


def _from_torch(tensor: Any, name: str) -> Rows:
    import torch

    if tensor.requires_grad:
        raise _refuse(name, "is a tensor that requires grad", f"pass {name}.detach()")
    if tensor.layout != torch.strided:
        raise _refuse(name, f"is a tensor of layout {tensor.layout}", f"pass {name}.to_dense()")
    device = tensor.device
    if device.type != "cpu":
        warn(
            f"'{name}' is on {device} and was copied to the CPU; "
            "prior2posterior.torch sums and corrects tensors where they are",
            DeviceCopyWarning,
        )
        tensor = tensor.cpu()
    if tensor.dtype == torch.bfloat16:

        def bits_back(result: NDArray[Any]) -> Any:
            if result.dtype != np.uint16:
                return torch.from_numpy(result).to(device)
            return torch.from_numpy(result.view(np.int16)).view(torch.bfloat16).to(device)

        bits = tensor.view(torch.int16).numpy().view(np.uint16)
        return Rows(bits, bits_back, None, np.dtype(np.uint16))
    array = _check(tensor.numpy(), name)
    return Rows(array, lambda result: torch.from_numpy(result).to(device), None, None)


def _from_frame(frame: Any, name: str) -> Rows:
    """Rows of a pandas, polars or pyarrow table; its columns are the classes."""
    kind = library(frame)
    if kind == "pyarrow":
        names = [str(column) for column in frame.column_names]
        columns = [np.asarray(frame.column(i)) for i in range(frame.num_columns)]
        array = np.column_stack(columns) if columns else np.empty((0, 0))
    else:
        names = [str(column) for column in frame.columns]
        array = frame.to_numpy()

    def table(result: NDArray[Any]) -> Any:
        if kind == "pandas":
            import pandas

            if result.ndim == 1:
                return pandas.Series(result, index=frame.index, name="label")
            return pandas.DataFrame(result, index=frame.index, columns=frame.columns)
        if kind == "polars":
            import polars

            if result.ndim == 1:
                return polars.Series("label", result)
            return polars.DataFrame(result, schema=list(frame.columns))
        import pyarrow

        if result.ndim == 1:
            return pyarrow.array(result)
        return type(frame).from_arrays(
            [pyarrow.array(np.ascontiguousarray(column)) for column in result.T], names=names
        )

    unnamed = all(_UNNAMED_COLUMNS.fullmatch(column) for column in names)
    return Rows(_check(array, name), table, None if unnamed else names, None)


def _is_frame(value: object) -> bool:
    return (library(value), type(value).__name__) in {
        ("pandas", "DataFrame"),
        ("polars", "DataFrame"),
        ("pyarrow", "Table"),
        ("pyarrow", "RecordBatch"),
    }


def _from_device(value: Any, name: str) -> Rows:
    """Rows of CuPy, JAX and whatever else speaks DLPack or __array__."""
    namespace: Any = None
    if hasattr(value, "__array_namespace__"):
        namespace = value.__array_namespace__()
    elif library(value) == "cupy":
        import cupy

        namespace = cupy
    if hasattr(value, "__dlpack_device__") and value.__dlpack_device__()[0] != _CPU:
        warn(f"'{name}' is on another device and was copied to the CPU", DeviceCopyWarning)
        value = value.get() if hasattr(value, "get") else value
    if hasattr(value, "__array__"):
        array = np.asarray(value)
    else:
        try:
            array = np.from_dlpack(value)
        except (BufferError, RuntimeError, TypeError) as error:
            raise _refuse(
                name, f"cannot be exchanged by DLPack ({error})", "pass a NumPy array"
            ) from error
    rows = _from_numpy(array, name)

    def native(result: NDArray[Any]) -> Any:
        result = rows.wrap(result)
        return result if namespace is None else namespace.asarray(result)

    return rows._replace(wrap=native)


def _from_numpy(array: NDArray[Any], name: str) -> Rows:
    if array.dtype.name == "bfloat16":
        dtype = array.dtype

        def bits_back(result: NDArray[Any]) -> NDArray[Any]:
            return result.view(dtype) if result.dtype == np.uint16 else result

        return Rows(array.view(np.uint16), bits_back, None, np.dtype(np.uint16))
    if isinstance(array, np.ma.MaskedArray):
        raise _refuse(name, "is a masked array", "fill it, or leave the masked rows out")
    return Rows(_check(array, name), _same, None, None)


def as_rows(value: Any, name: str = "scores") -> Rows:
    """Look at a score array of any library; copies only what cannot be looked at.

    Parameters
    ----------
    value
        The array.
    name
        What messages call it.
    """
    if type(value) is np.ndarray:
        if value.dtype.char in "fde" and value.dtype.isnative:
            return Rows(value, _same, None, None)
        return _from_numpy(value, name)
    if isinstance(value, np.ndarray):
        return _from_numpy(value, name)
    if library(value) == "torch":
        return _from_torch(value, name)
    if _is_frame(value):
        return _from_frame(value, name)
    if hasattr(value, "__array__") or hasattr(value, "__dlpack__"):
        return _from_device(value, name)
    if isinstance(value, (list, tuple)):
        try:
            array = np.asarray(value)
        except ValueError as error:
            raise _refuse(name, "has rows of different lengths", "give every row C scores") from (
                error
            )
        if array.dtype.kind in "iu":
            array = array.astype(np.float64)
        return _from_numpy(array, name)
    if isinstance(value, (str, bytes)) or hasattr(value, "__fspath__"):
        raise _refuse(name, "is a path", "load it first, as in numpy.load(path, mmap_mode='r')")
    raise _refuse(
        name,
        f"is a {type(value).__name__}",
        "pass an array of shape (rows, classes), or an iterable of such blocks",
    )


def check_shape(array: NDArray[Any], class_axis: int | None, name: str) -> int:
    """Return the class axis, counted from 0; Error where there is none."""
    rank = array.ndim
    if not 2 <= rank <= 4:
        raise _refuse(
            name,
            f"has shape {array.shape}",
            "expected (rows, classes), or rank 3 or 4 with class_axis",
        )
    if class_axis is None:
        if rank > 2:
            raise _refuse(
                name,
                f"has shape {array.shape}",
                "say which axis holds the classes with class_axis, as in class_axis=1 for N,C,H,W",
            )
        class_axis = 1
    if not -rank <= class_axis < rank:
        raise _refuse(name, f"has {rank} axes", f"class_axis={class_axis} is none of them")
    axis = class_axis % rank
    classes = array.shape[axis]
    if array.size and classes < 2:
        raise _refuse(
            name,
            f"has shape {array.shape}: axis {axis} gives {classes} classes",
            "expected 2 or more",
        )
    if not array.size:
        raise _refuse(name, f"has shape {array.shape}: it is empty", "expected at least one row")
    return axis


def core_scores(
    value: Any, class_axis: int | None = None, name: str = "scores"
) -> tuple[_core.Scores, Rows]:
    """Scores for the core, and how the first array looked; lists of arrays are one data set."""
    if is_blocks(value):
        if not isinstance(value, (list, tuple)):
            raise _refuse(
                name,
                f"is a {type(value).__name__}, which can be read only once",
                "pass an array, a numpy.memmap or a list of arrays",
            )
        if not value:
            raise _refuse(name, "is an empty list", "expected at least one array")
        all_rows = [as_rows(block, f"{name}[{i}]") for i, block in enumerate(value)]
    else:
        all_rows = [as_rows(value, name)]
    for i, rows in enumerate(all_rows):
        of = name if len(all_rows) == 1 else f"{name}[{i}]"
        axis = check_shape(rows.array, class_axis, of)
        first = all_rows[0].array
        width = first.shape[axis] if axis < first.ndim else 0
        if rows.array.shape[axis] != width:
            raise _refuse(
                of,
                f"has {rows.array.shape[axis]} classes, but those before it had {width}",
                "give all arrays of one model",
            )
    return _core.Scores([rows.array for rows in all_rows], class_axis, name), all_rows[0]


def is_blocks(value: Any) -> bool:
    """Whether `value` is an iterable of score blocks and not an array."""
    if isinstance(value, np.ndarray) or hasattr(value, "__array__") or hasattr(value, "__dlpack__"):
        return False
    if isinstance(value, (str, bytes)) or _is_frame(value) or isinstance(value, Mapping):
        return False
    if isinstance(value, (list, tuple)):
        # Numbers, however deep, are one array.
        deep: Any = value
        while isinstance(deep, (list, tuple)) and deep:
            deep = deep[0]
        return not np.isscalar(deep) if not isinstance(deep, (list, tuple)) else True
    return isinstance(value, Iterable)


def blocks_of(value: Iterable[Any], name: str = "scores") -> Iterator[tuple[Any, str]]:
    """Blocks with what messages call them."""
    for i, block in enumerate(value):
        yield block, f"{name}[{i}]"


def as_labels(
    labels: Any, classes: Sequence[str] | None, ignore_index: int | None = None
) -> NDArray[np.int64]:
    """Labels as class numbers; names become the numbers of their columns.

    Parameters
    ----------
    labels
        Integers of any type, or class names.
    classes
        Names of the columns, or None.
    ignore_index
        Label of rows to leave out.
    """
    if library(labels) == "torch":
        labels = labels.detach().cpu()
    array = np.asarray(labels)
    if array.dtype.kind in "OUST" or array.dtype.name.startswith("string"):
        return _numbers_of_names(array, classes)
    if array.dtype.kind not in "iu":
        raise _refuse(
            "labels",
            f"holds {array.dtype}",
            "expected integers from 0 to C - 1, or class names",
        )
    if array.ndim == 0:
        raise _refuse("labels", "is one number", "expected one label per row")
    if array.dtype == np.uint64 and array.size and int(array.max()) > np.iinfo(np.int64).max:
        raise _refuse("labels", f"reaches {array.max()}", "expected integers from 0 to C - 1")
    return np.ascontiguousarray(array.reshape(-1), dtype=np.int64)


def _numbers_of_names(array: NDArray[Any], classes: Sequence[str] | None) -> NDArray[np.int64]:
    flat = array.reshape(-1)
    if not all(isinstance(label, str) for label in flat):
        raise _refuse(
            "labels", "holds Python objects that are no class names", "expected integers or names"
        )
    if classes is None:
        raise _refuse(
            "labels", "holds names, but the classes have none", "name them with classes=[...]"
        )
    number = {name: c for c, name in enumerate(classes)}
    unknown = next((label for label in flat if label not in number), None)
    if unknown is not None:
        raise _refuse(
            "labels", f"holds '{unknown}'", f"expected one of the {len(classes)} class names"
        )
    return np.fromiter((number[label] for label in flat), dtype=np.int64, count=flat.size)


def per_class(
    values: Any, name: str, classes: Sequence[str] | None = None
) -> NDArray[np.float64] | None:
    """One number per class as float64; mappings and pandas Series are ordered by class name."""
    if values is None:
        return None
    if library(values) == "pandas" and all(isinstance(key, str) for key in values.index):
        values = values.to_dict()
    if isinstance(values, Mapping):
        if classes is None:
            raise _refuse(name, "is keyed by class name", "name the columns with classes=[...]")
        values = {str(key): value for key, value in values.items()}
        odd = sorted(set(values) ^ set(classes))
        if odd:
            raise _refuse(
                name, f"and the classes differ in '{odd[0]}'", "give one number for every class"
            )
        values = [values[key] for key in classes]
    if library(values) == "torch":
        values = values.detach().cpu()
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise _refuse(name, f"is not numbers ({error})", "expected one number per class") from error
    if array.ndim != 1:
        raise _refuse(name, f"has shape {array.shape}", "expected one number per class")
    return np.ascontiguousarray(array)


def agree(*named: tuple[str, Sequence[str] | None]) -> list[str] | None:
    """Return the names that all sources agree on; Error naming the first that differs."""
    known = [(origin, list(names)) for origin, names in named if names is not None]
    if not known:
        return None
    return _core.agree_on_class_names([o for o, _ in known], [n for _, n in known])
