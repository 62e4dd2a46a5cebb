"""Arrays of any library as what the core reads, and results in the type of the input."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import _core
from ._errors import DeviceCopyWarning, Error, warn

_CPU = 1  # kDLCPU


class Rows(NamedTuple):
    """A score array as the core reads it."""

    array: NDArray[Any]  # bfloat16 as its uint16 bits
    wrap: Callable[[NDArray[Any]], Any]  # a result as the input was
    names: list[str] | None  # of the columns
    dtype: np.dtype[Any]  # of a result in `out`: bfloat16 where NumPy has it


def _same(array: NDArray[Any]) -> NDArray[Any]:
    return array


def library(value: object) -> str:
    """Return the name of the library that `value`'s type comes from."""
    return type(value).__module__.partition(".")[0]


def refusal(name: str, found: str, expected: str) -> Error:
    """Return the Error that says so."""
    return Error(f"'{name}' {found}; {expected}")


def _check(array: NDArray[Any], name: str) -> NDArray[Any]:
    """Return the array in native byte order; Error when its elements are no floats."""
    dtype = array.dtype
    if dtype.kind != "f" or dtype.itemsize > 8:
        hint = {
            "O": "convert it to numbers first, as in array.astype(numpy.float32)",
            "c": "scores are real; take the real part or the magnitude",
            "b": "scores are floats; did you pass a mask?",
            "i": "scores are floats; did you pass labels, or is .astype(numpy.float32) missing?",
        }.get(dtype.kind, "pass scores as float16, bfloat16, float32 or float64")
        raise refusal(name, f"holds {dtype}", hint)
    if not dtype.isnative or any(stride % dtype.itemsize for stride in array.strides):
        return array.astype(dtype.newbyteorder("="))
    return array


def _from_torch(tensor: Any, name: str) -> Rows:
    import torch

    if tensor.requires_grad:
        raise refusal(name, "is a tensor that requires grad", f"pass {name}.detach()")
    if tensor.layout != torch.strided:
        raise refusal(name, f"is a tensor of layout {tensor.layout}", f"pass {name}.to_dense()")
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
    try:
        array = _check(tensor.resolve_neg().numpy(), name)
    except (RuntimeError, TypeError, NotImplementedError) as error:
        raise refusal(
            name, f"is a tensor without numbers to read ({error})", "compute it first"
        ) from (error)
    return Rows(array, lambda result: torch.from_numpy(result).to(device), None, array.dtype)


# Columns that hold whole numbers and have such a name are no scores of a class.
_NO_CLASSES = {"id", "index", "level_0", "row", "label", "labels", "target", "class", "y", "y_true",
               "predict", "prediction", "predicted", "fold", "split", "group"}  # fmt: skip
# Names that libraries give to an index which was written as a column.
_INDEX = ("Unnamed: ", "__index_level_")


def _demand_classes(names: list[str], columns: list[Any], name: str) -> None:
    """Refuse a column of a table that is no class: an index, an id, a label, a fold."""
    index = next((n for n in names if n.startswith(_INDEX)), None)
    if index is not None:
        raise refusal(
            name,
            f"has a column '{index}', which is an index that was written to a file",
            "read the file with index_col=0, or drop the column",
        )
    kinds = [np.asarray(column[:1]).dtype.kind for column in columns]
    for column, kind, of in zip(columns, kinds, names, strict=True):
        whole = kind in "iub" and "f" in kinds
        if not whole and not (kind == "f" and of.lower() in _NO_CLASSES):
            continue
        values = np.asarray(column)
        if (values == values[:1]).all() and not values[:1].any():
            continue  # a class that no row believes in, as CSV files write it
        if whole or (np.isfinite(values).all() and (values == np.floor(values)).all()):
            raise refusal(
                name,
                f"has a column '{of}' of whole numbers beside columns of scores",
                f"an id, an index, a label or a fold is no class: drop it; a class named '{of}' "
                "needs scores as the others have, as floats",
            )


def _from_frame(frame: Any, name: str) -> Rows:
    """Rows of a pandas, polars or pyarrow table; its columns are the classes."""
    kind = "pandas" if hasattr(frame, "iloc") else library(frame)
    if kind == "pyarrow":
        names = [str(column) for column in frame.column_names]
        columns = [frame.column(i) for i in range(frame.num_columns)]
        arrays = [np.asarray(column) for column in columns]
        array = np.column_stack(arrays) if columns else np.empty((0, 0))
    else:
        names = [str(column) for column in frame.columns]
        columns = [frame.iloc[:, i] if kind == "pandas" else frame[:, i] for i in range(len(names))]
        array = frame.to_numpy()
    if kind == "pandas" and array.dtype.kind == "O":
        import pandas

        if all(pandas.api.types.is_numeric_dtype(column) for column in frame.dtypes):
            array = frame.to_numpy(dtype=np.float64, na_value=np.nan)
    if array.dtype.kind not in "fiub":
        kinds = [np.asarray(column).dtype.kind for column in columns]
        odd = next((n for n, k in zip(names, kinds, strict=False) if k not in "fiub"), names[0])
        raise refusal(name, f"has a column '{odd}' that holds no numbers", "drop it, or convert it")
    repeated = next((n for i, n in enumerate(names) if n in names[:i]), None)
    if repeated is not None:
        raise refusal(name, f"has two columns '{repeated}'", "give every class one column")
    _demand_classes(names, columns, name)

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

    array = _check(array, name)
    return Rows(array, table, None if _are_numbers(names) else names, array.dtype)


def _are_numbers(names: list[str]) -> bool:
    """Whether columns only count up, as libraries name what has no name."""
    return any(
        names == [f"{prefix}{first + i}" for i in range(len(names))]
        for prefix in ("", "column_", "f")
        for first in (0, 1)
    )


def _is_frame(value: object) -> bool:
    """Whether `value` is a table, whose columns have names."""
    kind = type(value)  # asking a lazy table itself may compute it
    return (library(value) == "pyarrow" and hasattr(kind, "column_names")) or (
        hasattr(kind, "columns") and hasattr(kind, "dtypes")
    )


def _in_memory(frame: Any, name: str) -> Any:
    """Return a table of any library as one of pandas, polars or pyarrow, with its names."""
    for kind in (base.__module__.partition(".")[0] for base in type(frame).__mro__):
        if kind in ("pandas", "polars", "pyarrow") and not hasattr(frame, "collect"):
            return frame
    for method in ("compute", "to_pandas"):  # Dask; Modin, cuDF
        if hasattr(frame, method):
            return getattr(frame, method)()
    raise refusal(
        name,
        f"is a {type(frame).__module__.partition('.')[0]} {type(frame).__name__}, which is not in "
        "memory",
        "collect it first, as in frame.collect() or frame.toPandas()",
    )


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
            raise refusal(
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

        return Rows(array.view(np.uint16), bits_back, None, dtype)
    if isinstance(array, np.ma.MaskedArray):
        raise refusal(name, "is a masked array", "fill it, or leave the masked rows out")
    array = _check(array, name)
    return Rows(array, _same, None, array.dtype)


def _demand_scores(value: Any, name: str) -> None:
    """Refuse, by name, what can be iterated but holds no scores."""
    kind = type(value).__name__
    modules = {base.__module__.partition(".")[0] for base in type(value).__mro__}
    remedy = None
    if "scipy" in modules and hasattr(value, "toarray"):
        kind, remedy = f"sparse {kind}", f"pass {name}.toarray()"
    elif "torch" in modules and kind.endswith("DataLoader"):
        remedy = "it yields inputs; pass their scores, as in (model(x) for x, _ in loader)"
    elif callable(value) and not hasattr(value, "__array__"):
        remedy = "pass the scores that it makes, not the model"
    elif isinstance(value, (set, frozenset, range, io.IOBase)):
        remedy = "pass an array of shape (rows, classes), or an iterable of such blocks"
    if remedy is not None:
        raise refusal(name, f"is a {kind}", remedy)


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
        if value.dtype.char in "fde" and value.dtype.isnative and value.flags.aligned:
            return Rows(value, _same, None, value.dtype)
        return _from_numpy(value, name)
    if isinstance(value, np.ndarray):
        return _from_numpy(value, name)
    if library(value) == "torch":
        return _from_torch(value, name)
    _demand_scores(value, name)
    if _is_frame(value):
        return _from_frame(_in_memory(value, name), name)
    if hasattr(value, "__array__") or hasattr(value, "__dlpack__"):
        return _from_device(value, name)
    if isinstance(value, (list, tuple)):
        if len(value) == 2 and all(hasattr(item, "shape") for item in value):
            raise refusal(
                name,
                "is a pair of arrays",
                "labelled batches belong into PosteriorSum().update(scores, labels)",
            )
        try:
            array = np.asarray(value)
        except ValueError as error:
            raise refusal(name, "has rows of different lengths", "give every row C scores") from (
                error
            )
        if array.dtype.kind in "iu":
            array = array.astype(np.float64)
        return _from_numpy(array, name)
    if isinstance(value, (str, bytes)) or hasattr(value, "__fspath__"):
        raise refusal(name, "is a path", "load it first, as in numpy.load(path, mmap_mode='r')")
    raise refusal(
        name,
        f"is a {type(value).__name__}",
        "pass an array of shape (rows, classes), or an iterable of such blocks",
    )


def agree(*named: tuple[str, Sequence[str] | None]) -> list[str] | None:
    """Return the names that all sources agree on; Error naming the first that differs."""
    known = [(origin, list(names)) for origin, names in named if names is not None]
    if not known:
        return None
    return _core.agree_on_class_names([o for o, _ in known], [n for _, n in known])


def same_columns(
    origin: str, known: Sequence[str] | None, rows: Rows, name: str
) -> list[str] | None:
    """Return the names that a table and what is known before agree on.

    Columns that are numbered, but not in order, need names to match them by.
    """
    if known is None and rows.names is not None:
        count = len(rows.names)
        if sorted(rows.names) == sorted(map(str, range(count))):
            raise Error(
                f"the columns of '{name}' are numbered in another order than 0 to {count - 1}, and "
                f"{origin} has no class names to match them by; put the columns in order, or name "
                "the classes"
            )
    return agree((origin, known), (f"the columns of '{name}'", rows.names))


# Numbers that are scores already.
PLAIN = _core.ScoreReading(False, None, False)


def read_rows(value: Any, name: str, reading: _core.ScoreReading) -> Rows:
    """Look at a score array as :func:`as_rows`; one axis of binary scores becomes a column."""
    rows = as_rows(value, name)
    if not reading.binary:
        return rows
    if _is_frame(value):
        raise refusal(name, "is a table", "pass the one column with binary=True")
    return rows._replace(array=rows.array[:, np.newaxis]) if rows.array.ndim == 1 else rows


def check_shape(
    array: NDArray[Any],
    class_axis: int | None,
    name: str,
    named: bool = False,
    binary: bool = False,
) -> int:
    """Return the class axis, counted from 0; Error where there is none."""
    rank = array.ndim
    if rank == 1:
        single = "logit s of class 1 of two is column_stack([0 * s, s])"
        if array.dtype.kind == "f" and array.size and array.min() >= 0 and array.max() <= 1:
            single = "probability p of class 1 of two is column_stack([1 - p, p])"
        raise refusal(
            name,
            f"has shape {array.shape}",
            f"expected (rows, classes); one {single}, which binary=True makes of it",
        )
    if not 2 <= rank <= 4:
        raise refusal(
            name,
            f"has shape {array.shape}",
            "expected (rows, classes), or rank 3 or 4 with class_axis",
        )
    if class_axis is None:
        if rank > 2:
            raise refusal(
                name,
                f"has shape {array.shape}",
                "say which axis holds the classes with class_axis, as in class_axis=1 for N,C,H,W",
            )
        class_axis = 1
    if not -rank <= class_axis < rank:
        raise refusal(name, f"has {rank} axes", f"class_axis={class_axis} is none of them")
    axis = class_axis % rank
    if named and axis != 1:
        raise refusal(name, "is a table, whose columns are the classes", "leave class_axis out")
    classes = array.shape[axis]
    if array.size and classes < 2 and not binary:
        raise refusal(
            name,
            f"has shape {array.shape}: axis {axis} gives {classes} classes",
            "expected 2 or more; binary=True reads one score a row, of class 1 of two",
        )
    if classes > 1 and binary:
        raise refusal(
            name, f"has {classes} columns", "binary=True reads one, the score of class 1 of two"
        )
    if not array.size:
        raise refusal(name, f"has shape {array.shape}: it is empty", "expected at least one row")
    return axis


def core_scores(
    value: Any,
    class_axis: int | None = None,
    name: str = "scores",
    reading: _core.ScoreReading = PLAIN,
) -> tuple[_core.Scores, Rows]:
    """Scores for the core, and how the first array looked; lists of arrays are one data set."""
    if is_blocks(value, name):
        if not isinstance(value, (list, tuple)):
            raise refusal(
                name,
                f"is a {type(value).__name__}, which can be read only once",
                "pass an array, a numpy.memmap or a list of arrays",
            )
        if not value:
            raise refusal(name, "is an empty list", "expected at least one array")
        all_rows = [read_rows(block, f"{name}[{i}]", reading) for i, block in enumerate(value)]
    else:
        all_rows = [read_rows(value, name, reading)]
    for i, rows in enumerate(all_rows):
        of = name if len(all_rows) == 1 else f"{name}[{i}]"
        axis = check_shape(rows.array, class_axis, of, rows.names is not None, reading.binary)
        first = all_rows[0].array
        if rows.array.ndim != first.ndim:
            raise refusal(
                of,
                f"has {rows.array.ndim} axes, but those before it had {first.ndim}",
                "give one kind",
            )
        width = first.shape[axis]
        if rows.array.shape[axis] != width:
            raise refusal(
                of,
                f"has {rows.array.shape[axis]} classes, but those before it had {width}",
                "give all arrays of one model",
            )
    agree(*((f"the columns of '{name}[{i}]'", rows.names) for i, rows in enumerate(all_rows)))
    return _core.Scores([rows.array for rows in all_rows], class_axis, name, reading), all_rows[0]


def is_blocks(value: Any, name: str = "scores") -> bool:
    """Whether `value` is an iterable of score blocks and not an array; Error when it is neither."""
    _demand_scores(value, name)
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
