"""Score files of every kind, the odd ones written byte by byte."""

import io
import json
import struct
import zipfile

import numpy as np

SAFETENSORS_TYPES = {"float16": "F16", "float32": "F32", "float64": "F64", "int64": "I64"}


def npy_bytes(array, version=None):
    out = io.BytesIO()
    np.lib.format.write_array(out, np.asanyarray(array), version=version)
    return out.getvalue()


def npy_with_header(header, data=b"", version=(1, 0)):
    """An .npy file with any text for a header."""
    text = header.encode()
    width = "<H" if version[0] == 1 else "<I"
    return b"\x93NUMPY" + bytes(version) + struct.pack(width, len(text)) + text + data


def sparse_npy(path, shape, dtype="float32", fortran_order=False):
    """Zeros that take no room on the disk."""
    with open(path, "wb") as out:
        header = {"descr": np.dtype(dtype).str, "fortran_order": fortran_order, "shape": shape}
        np.lib.format.write_array_header_1_0(out, header)
        size = out.tell() + int(np.prod(shape)) * np.dtype(dtype).itemsize
        out.truncate(size)
    return path


def zip64_npz(path, **arrays):
    """An archive whose members carry their sizes in zip64 extra fields."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            with archive.open(name + ".npy", "w", force_zip64=True) as member:
                member.write(npy_bytes(array))


def safetensors_bytes(tensors):
    """tensors: name -> (type, shape, bytes)."""
    header, data = {}, b""
    for name, (kind, shape, content) in tensors.items():
        header[name] = {
            "dtype": kind,
            "shape": list(shape),
            "data_offsets": [len(data), len(data) + len(content)],
        }
        data += content
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def safetensors(path, **arrays):
    tensors = {
        name: (SAFETENSORS_TYPES[str(array.dtype)], array.shape, array.tobytes())
        for name, array in arrays.items()
    }
    path.write_bytes(safetensors_bytes(tensors))


def read_safetensors(path):
    """name -> (type, shape, bytes)."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    header.pop("__metadata__", None)
    data = content[8 + length :]
    return {
        name: (entry["dtype"], tuple(entry["shape"]), data[slice(*entry["data_offsets"])])
        for name, entry in header.items()
    }


def bfloat16_bytes(values):
    """float32 values rounded to nearest even, as bf16 bytes."""
    bits = np.asarray(values, np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2").tobytes()


def bfloat16_values(content):
    return (np.frombuffer(content, "<u2").astype(np.uint32) << 16).view(np.float32)
