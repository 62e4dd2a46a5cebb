"""p2p score: networks of p2p train, TorchScript and ONNX files over images."""

import os
import pathlib
import subprocess

import numpy as np
import onnx.helper
import onnx.numpy_helper
import pytest
import torch
from tiny_images import (
    CLASSES,
    SIDE,
    p2p,
    read_safetensors,
    refuse,
    write_data_set,
    write_png,
)


class Place:
    """A folder with the data set `data` and what is known about its test part."""

    def __init__(self, folder):
        self.folder = folder
        self.images, self.labels = write_data_set(folder / "data")

    @property
    def tensor(self):
        """The test images as models take them."""
        return torch.from_numpy(self.images).permute(0, 3, 1, 2).float() / 255

    def score(self, model, *options, data="data", out="scores.npy"):
        self.said = p2p("score", model, "--data", data, "--threads", 1, "-o", out, *options,
                        cwd=self.folder)  # fmt: skip
        return np.load(self.folder / out) if out.endswith(".npy") else None

    def refuse(self, model, *options, data="data", out="scores.npy", **expected):
        return refuse(self.folder, "score", model, "--data", data, "-o", out, *options, **expected)


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def train(folder, network):
    p2p("train", "--data", "data", "--network", network, "--epochs", 1, "--batch", 8, "--lr", 0.01,
        "--features", "--threads", 1, "-o", "run", cwd=folder)  # fmt: skip


class TestOwnNetworks:
    """model.safetensors of mlp and resnet20."""

    @pytest.fixture(scope="class", params=["mlp", "resnet20"])
    def place(self, request, tmp_path_factory):
        place = Place(tmp_path_factory.mktemp(request.param))
        train(place.folder, request.param)
        return place

    @pytest.mark.parametrize("part", ["test", "train"])
    def test_scores_are_those_of_the_run(self, place, part):
        scores = place.score("run/model.safetensors", "--part", part)
        expected = np.load(place.folder / "run" / f"{part}_scores.npy")
        assert scores.tobytes() == expected.tobytes()

    def test_labels_and_features_are_those_of_the_run(self, place):
        place.score("run/model.safetensors", "--labels", "labels.npy", "--features", "features.npy")
        for name in ("labels", "features"):
            expected = np.load(place.folder / "run" / f"test_{name}.npy")
            np.testing.assert_array_equal(np.load(place.folder / f"{name}.npy"), expected)
        np.testing.assert_array_equal(np.load(place.folder / "labels.npy"), place.labels)

    def test_batches_of_any_size_give_the_same_scores(self, place):
        scores = place.score("run/model.safetensors", "--batch", 4)
        expected = np.load(place.folder / "run" / "test_scores.npy")
        np.testing.assert_allclose(scores, expected, atol=1e-5)


class TestData:
    """What --data may name, and what the images must be."""

    @pytest.fixture(scope="class")
    def trained(self, tmp_path_factory):
        place = Place(tmp_path_factory.mktemp("trained"))
        train(place.folder, "mlp")
        return place

    def expected(self, trained):
        return np.load(trained.folder / "run" / "test_scores.npy")

    def test_a_folder_of_classes_is_one_part(self, trained):
        scores = trained.score("run/model.safetensors", data="data/test")
        np.testing.assert_array_equal(scores, self.expected(trained))

    def test_a_folder_without_the_part_asked_for(self, trained):
        trained.refuse("run/model.safetensors", "--part", "train", data="data/test",
                       out="none.npy", words=["'data/test' has a test part only"])  # fmt: skip

    def write_list(self, trained, name):
        """The test images in reverse."""
        paths = sorted((trained.folder / "data" / "test").rglob("*.png"), reverse=True)
        lines = [f"{path.relative_to(trained.folder)} {CLASSES.index(path.parent.name)}\n"
                 for path in paths]  # fmt: skip
        (trained.folder / name).write_text("".join(lines))
        return name

    def test_a_list_of_test_images(self, trained):
        listed = self.write_list(trained, "TEST.txt")
        scores = trained.score("run/model.safetensors", "--labels", "list.npy", data=listed)
        np.testing.assert_allclose(scores, self.expected(trained)[::-1], atol=1e-6)
        np.testing.assert_array_equal(np.load(trained.folder / "list.npy"), trained.labels[::-1])

    def test_paths_of_a_list_may_start_from_a_root(self, trained):
        listed = self.write_list(trained, "TEST.txt")
        (trained.folder / "lists").mkdir(exist_ok=True)
        (trained.folder / "lists" / "moved.txt").write_text((trained.folder / listed).read_text())
        scores = trained.score("run/model.safetensors", data="lists/moved.txt,.")
        np.testing.assert_allclose(scores, self.expected(trained)[::-1], atol=1e-6)

    def test_a_missing_model_is_said_to_be_missing(self, trained):
        for name in ("none.onnx", "none.pt", "none.safetensors"):
            trained.refuse(name, out="none.npy", words=[f"'{name}' does not exist"])

    def test_a_list_of_numbered_classes_fits_any_names(self, trained):
        trained.score("run/model.safetensors", data=self.write_list(trained, "numbered.txt"))

    @pytest.mark.parametrize("options", [[], ["--labels", "none-labels.npy"]])
    def test_classes_of_other_names_are_refused(self, trained, options):
        """Else their labels would count other columns of the scores."""
        for name in ("ant", "bird", "cat"):
            write_png(trained.folder / "birds" / name / "1.png", trained.images[0])
        trained.refuse("run/model.safetensors", *options, data="birds", out="none.npy",
                       words=["class 1 is 'bee' in 'run/model.safetensors' but 'bird' in 'birds'",
                              "--data"])  # fmt: skip

    def test_images_of_another_size_need_resize(self, trained):
        """Wider ones lose their sides."""
        wide = np.pad(trained.images, [(0, 0), (0, 0), (2, 2), (0, 0)])
        for i, (pixels, label) in enumerate(zip(wide, trained.labels)):
            write_png(trained.folder / "wide" / CLASSES[label] / f"{i:02}.png", pixels)
        trained.refuse("run/model.safetensors", data="wide", out="none.npy",
                       words=["takes images of 8 x 8", "have 12 x 8", "--resize 8"])  # fmt: skip
        scores = trained.score("run/model.safetensors", "--resize", 8, data="wide")
        np.testing.assert_array_equal(scores, self.expected(trained))

    def test_unreadable_images_are_left_out_with_their_labels(self, trained):
        for i, (pixels, label) in enumerate(zip(trained.images, trained.labels)):
            write_png(trained.folder / "some" / CLASSES[label] / f"{i:02}.png", pixels)
        (trained.folder / "some" / "ant" / "01.png").write_bytes(b"no picture")
        trained.refuse("run/model.safetensors", data="some", out="none.npy",
                       words=["01.png", "--skip-bad"])  # fmt: skip
        scores = trained.score("run/model.safetensors", "--skip-bad", 0.1, "--labels", "some.npy",
                               data="some")  # fmt: skip
        assert "1 images could not be read" in trained.said.err
        assert "01.png" in trained.said.err
        np.testing.assert_allclose(scores, np.delete(self.expected(trained), 1, 0), atol=1e-6)
        labels = np.load(trained.folder / "some.npy")
        np.testing.assert_array_equal(labels, np.delete(trained.labels, 1))


class TestOutputs:
    """Files that are written, and those that must not be."""

    @pytest.fixture(scope="class")
    def place(self, tmp_path_factory):
        place = Place(tmp_path_factory.mktemp("outputs"))
        train(place.folder, "mlp")
        return place

    def test_every_format_holds_the_same_scores(self, place):
        expected = place.score("run/model.safetensors")
        for name in ("scores.npz", "scores.safetensors", "scores.csv"):
            place.score("run/model.safetensors", out=name)
        [packed] = np.load(place.folder / "scores.npz").values()
        np.testing.assert_array_equal(packed, expected)
        [tensor] = read_safetensors(place.folder / "scores.safetensors").values()
        np.testing.assert_array_equal(tensor, expected)
        table = np.loadtxt(place.folder / "scores.csv", delimiter=",", dtype=np.float32)
        np.testing.assert_array_equal(table, expected)

    @pytest.mark.parametrize(
        "outputs",
        [["-o", "run/model.safetensors"], ["-o", "new.npy", "--labels", "run/model.safetensors"]],
    )
    def test_the_model_is_not_overwritten(self, place, outputs):
        refuse(place.folder, "score", "run/model.safetensors", "--data", "data", *outputs,
               words=["same file as the input", "write to another path"])  # fmt: skip

    @pytest.mark.parametrize(
        "outputs", [["-o", "first.csv"], ["-o", "new.npy", "--labels", "second.npy"]]
    )
    def test_the_lists_of_images_are_not_overwritten(self, place, outputs):
        lines = [f"data/test/{name}/00.png {label}\n" for label, name in enumerate(CLASSES)]
        for name in ("first.csv", "second.npy"):
            (place.folder / name).write_text("".join(lines))
        refuse(place.folder, "score", "run/model.safetensors", "--data", "first.csv,second.npy",
               *outputs, words=["same file as the input", "write to another path"])  # fmt: skip

    def test_two_outputs_do_not_share_a_file(self, place):
        place.refuse("run/model.safetensors", "--labels", "both.npy", out="both.npy", code=2,
                     words=["two outputs", "'both.npy'"])  # fmt: skip

    def test_an_ending_without_a_format_is_refused(self, place):
        place.refuse("run/model.safetensors", out="scores.doc", code=2, words=["'scores.doc'"])


class TestModelFiles:
    """Files that are no model of p2p train."""

    def test_weights_that_do_not_say_their_network(self, place):
        header = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}  '
        content = len(header).to_bytes(8, "little") + header + bytes(4)
        (place.folder / "bare.safetensors").write_bytes(content)
        place.refuse("bare.safetensors", words=["which network", "p2p train"])

    def test_an_unknown_ending(self, place):
        (place.folder / "model.h5").write_bytes(b"anything")
        place.refuse("model.h5", code=2, words=["'model.h5'", ".safetensors", ".onnx", ".pt"])

    def test_a_file_that_is_not_there(self, place):
        for name in ("none.safetensors", "none.pt"):
            place.refuse(name, words=[f"'{name}'"])

    def test_own_networks_bring_their_mean(self, place):
        place.refuse("any.safetensors", "--mean", "0,0,0", "--std", "1,1,1", code=2,
                     words=["--mean and --std", "leave them out"])  # fmt: skip

    def test_features_come_from_own_networks_only(self, place):
        place.refuse("any.pt", "--features", "features.npy", code=2,
                     words=["--features", "model.safetensors"])  # fmt: skip


class Net(torch.nn.Module):
    """A small convolutional network."""

    def __init__(self, classes=3):
        super().__init__()
        torch.manual_seed(3)
        self.convolution = torch.nn.Conv2d(3, 5, 3, padding=1)
        self.norm = torch.nn.BatchNorm2d(5)
        self.head = torch.nn.Linear(5, classes)

    def forward(self, images):
        x = torch.relu(self.norm(self.convolution(images)))
        return self.head(x.mean(dim=(2, 3)))


class Pair(Net):
    def forward(self, images):
        x = self.convolution(images).mean(dim=(2, 3))
        return self.head(x), x


class Flat(Net):
    def forward(self, images):
        return self.convolution(images).mean(dim=(1, 2, 3))


class Turned(Net):
    def forward(self, images):
        return self.head(self.convolution(images).mean(dim=(2, 3))).transpose(0, 1)


class Raising(Net):
    def forward(self, images):
        if images.size(2) < 100:
            raise ValueError("pictures of 100 pixels please")
        return images


class Viewing(Net):
    """Flattens by view(), which needs the pixels row by row."""

    def forward(self, images):
        return self.head(images.view(images.size(0), -1)[:, :5])


class Spoilt(Net):
    """In batches of 3 the second row has `value` from class `start` on."""

    def __init__(self, value: float, start: int):
        super().__init__()
        self.value = value
        self.start = start

    def forward(self, images):
        scores = self.head(self.convolution(images).mean(dim=(2, 3)))
        if images.size(0) == 3:
            scores[1, self.start :] = self.value
        return scores


class Fickle(Net):
    """As many classes as images."""

    def forward(self, images):
        return images.mean(dim=(1, 2, 3))[:, None] * torch.ones(images.size(0))


class TestTorchScript:
    """Modules that torch.jit saved."""

    def save(self, place, module, name="model.pt"):
        torch.jit.save(torch.jit.script(module), str(place.folder / name))

    def expect(self, module, images):
        with torch.no_grad():
            return module.eval()(images).numpy()

    def test_scores_are_those_of_torch(self, place):
        """Batch norm by its running moments, though the module was saved in training."""
        net = Net().train()
        net.norm.running_mean += 0.3
        self.save(place, net)
        scores = place.score("model.pt", "--batch", 4)
        assert scores.shape == (11, 3)
        np.testing.assert_allclose(scores, self.expect(net, place.tensor), atol=1e-6)

    def test_mean_is_taken_and_std_divided_by(self, place):
        self.save(place, Net())
        mean, deviation = [0.5, 0.4, 0.3], [0.2, 0.25, 0.3]
        scores = place.score("model.pt", "--mean", "0.5,0.4,0.3", "--std", "0.2,0.25,0.3")
        shape = (1, 3, 1, 1)
        images = place.tensor - torch.tensor(mean).view(shape)
        images /= torch.tensor(deviation).view(shape)
        np.testing.assert_allclose(scores, self.expect(Net(), images), atol=1e-6)

    @pytest.mark.parametrize(
        "numbers", [["--mean", "0.5", "--std", "0.2"], ["--mean", "0,0,0", "--std", "1,1,0"]]
    )
    def test_mean_and_std_have_a_number_for_each_channel(self, place, numbers):
        self.save(place, Net())
        place.refuse("model.pt", *numbers, code=2, words=["each of 3 channels", "above 0"])

    def test_another_number_of_classes_is_said(self, place):
        self.save(place, Net(classes=4))
        assert place.score("model.pt").shape == (11, 4)
        assert "warning: the model scores 4 classes, 'data' has 3" in place.said.err

    @pytest.mark.parametrize(
        ("module", "words"),
        [
            (Pair, ["forward of 'model.pt' returns Tuple", "one tensor [N, classes]"]),
            (Flat, ["shape [11] of 11 images", "[11, classes]"]),
            (Turned, ["shape [3, 11] of 11 images"]),
            (Raising, ["'model.pt' cannot be run", "pictures of 100 pixels please"]),
        ],
    )
    def test_what_is_no_scores_gets_a_sentence(self, place, module, words):
        self.save(place, module())
        place.refuse("model.pt", words=words)

    def test_images_lie_row_by_row(self, place):
        self.save(place, Viewing())
        expected = self.expect(Viewing(), place.tensor.contiguous())
        np.testing.assert_allclose(place.score("model.pt"), expected, atol=1e-6)
        place.score("model.pt", "--mean", "0,0,0", "--std", "1,1,1")

    @pytest.mark.parametrize(("value", "start"), [("nan", 2), ("inf", 2), ("-inf", 0)])
    def test_scores_that_are_no_numbers_are_refused_with_their_row(self, place, value, start):
        self.save(place, Spoilt(float(value), start))
        place.refuse("model.pt", "--batch", 4, words=["row 9", f"is {value}"])
        assert not (place.folder / "scores.npy").exists()

    def test_a_class_may_be_masked(self, place):
        self.save(place, Spoilt(float("-inf"), 2))
        assert np.isneginf(place.score("model.pt", "--batch", 4)).sum() == 1

    def test_the_number_of_classes_does_not_change(self, place):
        self.save(place, Fickle())
        place.refuse("model.pt", "--batch", 4, words=["shape [3, 3] of 3 images", "always as many"])

    def test_a_transposed_batch_is_no_scores(self, place):
        """Also where it has rows enough: 3 of a last batch of 2."""
        self.save(place, Turned())
        place.refuse("model.pt", "--batch", 2, words=["shape [3, 2] of 2 images"])

    def test_a_damaged_file_gets_a_sentence(self, place):
        (place.folder / "model.pt").write_bytes(b"PK\3\4 no archive")
        place.refuse("model.pt", words=["'model.pt' cannot be loaded by LibTorch"])


def python_with_onnxruntime():
    """That of P2P_PYTHON, or of the environment that scripts/python-env bake makes; or None."""
    source = os.environ.get("P2P_SOURCE_DIR", str(pathlib.Path(__file__).parents[2]))
    for python in (os.environ.get("P2P_PYTHON"), f"{source}/.venv/bake/bin/python"):
        if python and pathlib.Path(python).exists():
            command = [python, "-c", "import onnxruntime"]
            if subprocess.run(command, capture_output=True, check=False).returncode == 0:
                return python
    return None


class TestOnnx:
    """ONNX files, by ONNX Runtime."""

    @pytest.fixture(autouse=True)
    def engine(self, monkeypatch):
        python = python_with_onnxruntime()
        if python is None:
            pytest.skip("no Python with onnxruntime: P2P_PYTHON names none, and scripts/python-env "
                        "bake has not made one")  # fmt: skip
        monkeypatch.setenv("P2P_PYTHON", python)

    def write(self, place, rows, kind=onnx.TensorProto.FLOAT):
        """Means of the channels times a matrix, for batches of so many rows; the matrix."""
        weight = np.random.default_rng(5).normal(size=(3, 3)).astype(np.float32)
        nodes = [
            onnx.helper.make_node("Cast", ["images"], ["x"], to=onnx.TensorProto.FLOAT),
            onnx.helper.make_node("ReduceMean", ["x"], ["m"], axes=[2, 3], keepdims=0),
            onnx.helper.make_node("MatMul", ["m", "w"], ["scores"]),
        ]
        value = onnx.helper.make_tensor_value_info
        graph = onnx.helper.make_graph(
            nodes,
            "means",
            [value("images", kind, [rows, 3, SIDE, SIDE])],
            [value("scores", onnx.TensorProto.FLOAT, [rows, 3])],
            [onnx.numpy_helper.from_array(weight, "w")],
        )
        opset = [onnx.helper.make_opsetid("", 13)]
        model = onnx.helper.make_model(graph, opset_imports=opset, ir_version=8)
        onnx.save(model, str(place.folder / "means.onnx"))
        return weight

    @pytest.mark.parametrize("network", ["mlp", "resnet20"])
    def test_the_model_of_a_run_gives_the_scores_of_the_run(self, place, network):
        train(place.folder, network)
        scores = place.score("run/model.onnx")
        expected = np.load(place.folder / "run" / "test_scores.npy")
        np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-4)

    @pytest.mark.parametrize("rows", ["N", 4])
    def test_a_fixed_batch_is_filled_up(self, place, rows):
        """11 images: two batches of 4 and one of 3."""
        weight = self.write(place, rows)
        means = place.tensor.mean(dim=(2, 3)).numpy()
        np.testing.assert_allclose(place.score("means.onnx"), means @ weight, atol=1e-6)

    def test_mean_and_std_apply(self, place):
        weight = self.write(place, "N")
        scores = place.score("means.onnx", "--mean", "0.5,0.5,0.5", "--std", "0.25,0.25,0.25")
        means = (place.tensor.mean(dim=(2, 3)).numpy() - 0.5) / 0.25
        np.testing.assert_allclose(scores, means @ weight, atol=1e-5)

    def test_an_input_that_is_no_float_is_refused(self, place):
        self.write(place, "N", onnx.TensorProto.INT64)
        place.refuse("means.onnx", words=["'images' of int64", "float32 images"])

    def test_images_of_another_size_need_resize(self, place):
        self.write(place, "N")
        place.refuse("means.onnx", "--resize", 10,
                     words=["'means.onnx' takes 'images' of shape", "[N, 3, 10, 10]"])  # fmt: skip
