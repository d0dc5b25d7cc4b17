"""How fast pictures are embedded: vision transformers in our runtime, in ONNX Runtime and in PyTorch.

    python benchmarks/embed.py [--quick] [--python PYTHON] [--json FILE] [--update-docs]

ViT-B/32 and ViT-B/16 at 224 pixels, with random weights, one ONNX file for all: rates do not hang on what
the weights are. Ours is what embeds a library's pictures (`models.networks.onnx_engine`), in float32, bf16
and int8. PyTorch and ONNX Runtime run in an environment of their own, made at first use in the cache folder
(PyTorch may take some GB), or in that of --python. All take their turns in one run, batches of 8, warm; once
on one thread, where a rate is pictures a second of processor time, so that a busy machine hardly moves it,
and once on all cores by the clock. A ratio is the median over the turns. Then: requests of one picture by
many callers at a time, gathered into batches (`models.batching`) and each alone.
"""

import argparse
import ast
import json
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import skimage.data
from numpy.typing import NDArray

from ambience.models.batching import Gathering
from ambience.models.engine import Engine, OnnxUse
from ambience.models.graphics import OnnxRuntimeEngine, has_cuda
from ambience.models.networks import onnx_engine
from ambience.models.preparation import prepared
from ambience.models.row import Pixels
from ambience.settings import ModelSettings
from report import Report, Table, cache_folder, command_of, cores, finish

PACKAGES = ("ambience", "numpy", "openvino")
PEER_PACKAGES = ("torch", "onnx", "onnxruntime", "numpy")
SHAPES = {"vit_b32": 32, "vit_b16": 16}
"""Pixels of a side of a patch."""

TITLES = {"vit_b32": "ViT-B/32, 50 tokens", "vit_b16": "ViT-B/16, 197 tokens"}
OURS = {"f32": "Ambience float32", "bf16": "Ambience bf16", "int8": "Ambience int8"}
PEERS = {
    "torch": "torch float32",
    "torch_bf16": "torch bf16 (autocast)",
    "onnxruntime": "ONNX Runtime float32",
}
CARD = "cuda"
COLUMNS = (
    "engine",
    "pictures a second of one core",
    "processor ms a picture",
    "over torch float32",
    "pictures a second, all cores",
    "over torch, all cores",
    "least cosine to float32",
)

SIDE, BATCH, CALLERS, LIMIT = 224, 8, 16, 16
TURNS = {True: 2, False: 7}
BATCHES = {True: {"vit_b32": 1, "vit_b16": 1}, False: {"vit_b32": 6, "vit_b16": 2}}
REQUESTS = {True: 2, False: 8}
"""Of each caller, in each turn."""

INSTALL_S = {True: 900, False: 2400}
PHOTOS = ("astronaut", "coffee", "chelsea", "rocket", "camera", "coins", "hubble_deep_field", "page")
"""Of scikit-image; those that are not inside its package are left out."""

Spent = dict[str, float]
"""Seconds by the clock ("wall") and of the processor ("processor") for batches."""


# --- peers ------------------------------------------------------------------------------------------------


class Peer:
    """The process of `embed_peer.py`."""

    def __init__(self, python: Path) -> None:
        script = Path(__file__).with_name("embed_peer.py")
        self._process = subprocess.Popen(
            [python, "-W", "ignore", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, do: str, **said: Any) -> dict[str, Any]:
        """Its answer.

        Raises:
            RuntimeError: it ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, **said}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"embed_peer.py ended at {do} {said}; it says above why")
        return json.loads(line)

    def close(self) -> None:
        """Ends it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)


def peer_python(timeout_s: float) -> Path:
    """The interpreter of an environment that has PyTorch and ONNX Runtime, made at first use.

    Raises:
        SystemExit: they cannot be installed.
    """
    folder = cache_folder("embed-env")
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    ready = folder / "ready"
    if not ready.is_file():
        print(f"installing {', '.join(PEER_PACKAGES)} into {folder}", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        command = [str(python), "-m", "pip", "install", "--quiet", *PEER_PACKAGES]
        try:
            subprocess.run(command, check=True, timeout=timeout_s, capture_output=True, text=True)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as exc:
            raise SystemExit(f"embed.py: no environment with PyTorch: {exc}; name one by --python") from exc
        ready.touch()
    return python


def versions_at(python: Path) -> str:
    """Versions of the peers, for people."""
    code = f"from importlib.metadata import version as v; print([(n, v(n)) for n in {PEER_PACKAGES[:3]}])"
    done = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True)
    return ", ".join(f"{name} {number}" for name, number in ast.literal_eval(done.stdout))


# --- ours -------------------------------------------------------------------------------------------------


def engine_of(file: Path, precision: str, threads: int) -> Engine:
    """Our engine for a network, as towers of models get it; on the card where `precision` is that."""
    use = OnnxUse("embeddings", (3, SIDE, SIDE), 1, LIMIT)
    if precision == CARD:
        return OnnxRuntimeEngine(file, use)
    return onnx_engine(file, use, ModelSettings(precision=precision, threads=threads, device="cpu"))


def run_ours(engine: Engine, *, threads: int, batches: int) -> Spent:
    """Seconds for batches, given by as many threads as the engine runs, after one each uncounted."""
    given = np.random.default_rng(0).standard_normal((BATCH, 3, SIDE, SIDE), np.float32)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda _: engine.run([given]), range(threads)))
        wall, processor = time.perf_counter(), time.process_time()
        list(pool.map(lambda _: engine.run([given]), range(batches)))
        return {"wall": time.perf_counter() - wall, "processor": time.process_time() - processor}


def gathering_rate(engine: Engine, *, limit: int, requests: int) -> float:
    """Pictures a second where many callers ask for one at a time, in batches of `limit` at most."""
    given = np.random.default_rng(1).standard_normal((1, 3, SIDE, SIDE), np.float32)
    gathering = Gathering(lambda inputs: engine.run(inputs), lanes=cores(), limit=limit)
    with ThreadPoolExecutor(CALLERS) as pool:
        list(pool.map(lambda _: gathering.run([given]), range(CALLERS)))
        start = time.perf_counter()
        list(pool.map(lambda _: gathering.run([given]), range(CALLERS * requests)))
        return CALLERS * requests / (time.perf_counter() - start)


# --- measuring --------------------------------------------------------------------------------------------


class Measured:
    """What was found of one shape.

    Attributes:
        one: pictures a second of processor time on one thread, by engine, one entry a turn.
        all: pictures a second by the clock on all cores.
        cosines: least cosine to float32 in PyTorch over the photographs, by engine.
        between: median cosine of two photographs.
        gathered: rate of gathered requests to that of each alone, one entry a turn.
    """

    def __init__(self) -> None:
        self.one: dict[str, list[float]] = {}
        self.all: dict[str, list[float]] = {}
        self.cosines: dict[str, float] = {}
        self.between = 0.0
        self.gathered: list[float] = []

    def ratio(self, of: str, to: str, rates: str = "one") -> float:
        """Median over the turns of one engine's rate to another's."""
        found = getattr(self, rates)
        return statistics.median(mine / theirs for mine, theirs in zip(found[of], found[to], strict=True))


def photographs() -> NDArray[np.float32]:
    """Photographs as the networks take them: (N, 3, SIDE, SIDE)."""
    found = []
    for name in PHOTOS:
        try:
            rgb = getattr(skimage.data, name)()
        except Exception:  # noqa: BLE001 — it would have to be downloaded
            continue
        found.append(np.ascontiguousarray(rgb[..., :3] if rgb.ndim == 3 else np.stack([rgb] * 3, axis=-1)))
    return prepared(found, Pixels(SIDE))


def measure(shape: str, peer: Peer, folder: Path, *, is_quick: bool) -> Measured:
    """Every engine on one shape, in turn."""
    file = folder / f"{shape}.onnx"
    peer.ask("make", patch=SHAPES[shape], file=str(file))
    names = [*OURS, *([CARD] if has_cuda() else [])]
    ours = {(name, threads): engine_of(file, name, threads) for name in names for threads in (1, cores())}
    found, batches = Measured(), BATCHES[is_quick][shape]
    for _ in range(TURNS[is_quick]):
        for threads, rates, key in ((1, found.one, "processor"), (cores(), found.all, "wall")):
            count = batches * threads
            for name in (*names, *PEERS):
                spent = (
                    peer.ask("run", engine=name, threads=threads, batch=BATCH, batches=count)
                    if name in PEERS
                    else run_ours(ours[name, threads], threads=threads, batches=count)
                )
                clock = "wall" if name == CARD else key
                rates.setdefault(name, []).append(count * BATCH / spent[clock])
        many = ours["f32", cores()]
        rate = [gathering_rate(many, limit=limit, requests=REQUESTS[is_quick]) for limit in (LIMIT, 1)]
        found.gathered.append(rate[0] / rate[1])
    compare(found, peer, {name: ours[name, 1].run for name in names}, folder)
    return found


def compare(found: Measured, peer: Peer, ours: Mapping[str, Callable[..., Any]], folder: Path) -> None:
    """Fills in how near the embeddings of photographs are to those of PyTorch in float32."""
    inputs = photographs()
    np.save(folder / "inputs.npy", inputs)
    made = {name: run([inputs]) for name, run in ours.items()}
    for name in PEERS:
        peer.ask("embed", engine=name, inputs=str(folder / "inputs.npy"), out=str(folder / "out.npy"))
        made[name] = np.load(folder / "out.npy")
    unit = {name: each / np.linalg.norm(each, axis=1, keepdims=True) for name, each in made.items()}
    exact = unit["torch"].astype(np.float64)
    found.cosines = {name: float((each * exact).sum(axis=1).min()) for name, each in unit.items()}
    found.between = float(np.median((exact @ exact.T)[np.triu_indices(len(exact), 1)]))


def has_amx() -> bool:
    """Whether the processor multiplies matrices of bf16."""
    import llvmlite.binding

    return bool(llvmlite.binding.get_host_cpu_features().get("amx-bf16", False))


# --- report -----------------------------------------------------------------------------------------------


def figures_of(found: Mapping[str, Measured]) -> dict[str, Any]:
    """The one line at the end."""
    figures: dict[str, Any] = {"has_amx": has_amx()}
    for shape, each in found.items():
        for name in OURS:
            figures[f"{shape}_{name}_over_torch"] = round(each.ratio(name, "torch"), 3)
    for shape, each in found.items():
        figures[f"{shape}_bf16_over_torch_all_cores"] = round(each.ratio("bf16", "torch", "all"), 3)
        figures[f"{shape}_f32_over_onnxruntime"] = round(each.ratio("f32", "onnxruntime"), 3)
        figures[f"{shape}_bf16_cosine"] = round(each.cosines["bf16"], 6)
        figures[f"{shape}_int8_cosine"] = round(each.cosines["int8"], 6)
        figures[f"{shape}_gathered_over_alone"] = round(statistics.median(each.gathered), 3)
        if CARD in each.all:
            figures[f"{shape}_cuda_rate"] = round(statistics.median(each.all[CARD]), 1)
            figures[f"{shape}_cuda_cosine"] = round(each.cosines[CARD], 6)
    return figures


def table_of(shape: str, found: Measured) -> Table:
    """Every engine on one shape."""
    titles = {**OURS, CARD: "Ambience on the graphics card", **PEERS}
    rows = []
    for name, rates in found.one.items():
        one, every = statistics.median(rates), statistics.median(found.all[name])
        rows.append(
            [
                titles[name],
                f"{one:.1f}" if name != CARD else "–",
                f"{1e3 / one:.1f}" if name != CARD else "–",
                f"{found.ratio(name, 'torch'):.2f}×" if name != CARD else "–",
                f"{every:.1f}",
                f"{found.ratio(name, 'torch', 'all'):.2f}×",
                f"{found.cosines[name]:.6f}",
            ]
        )
    return Table(TITLES[shape], COLUMNS, rows)


def notes_of(found: Mapping[str, Measured], peer_versions: str) -> list[str]:
    """What must be known to read the tables."""
    said = "multiplies matrices of bf16 (AMX)" if has_amx() else (
        "has no AMX: bf16 is no gain here, and `models.precision = auto` takes float32"
    )  # fmt: skip
    gathered = "; ".join(
        f"{TITLES[shape]}: {statistics.median(each.gathered):.2f}×" for shape, each in found.items()
    )
    between = ", ".join(f"{each.between:.3f}" for each in found.values())
    return [
        f"This processor {said}. Peers: {peer_versions}. Random weights; the median cosine of two photos "
        f"is {between}. Requests of one picture by {CALLERS} callers at a time, gathered over each alone, in "
        f"float32 on all cores: {gathered}.",
    ]


def main() -> None:
    """Reads the command line, measures, reports."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer batches and turns")
    parser.add_argument("--python", type=Path, help=f"an interpreter that has {', '.join(PEER_PACKAGES)}")
    parser.add_argument("--photos", type=Path, help="ignored: the photographs are those of scikit-image")
    parser.add_argument("--update-docs", action="store_true", help="write results/ and docs/benchmarks.md")
    parser.add_argument("--json", type=Path, help="write the whole report to this file")
    arguments = parser.parse_args()
    python = arguments.python or peer_python(INSTALL_S[arguments.quick])
    versions = versions_at(python)
    found = {}
    with tempfile.TemporaryDirectory(dir=cache_folder("embed")) as folder:
        peer = Peer(python)
        for shape in SHAPES:
            found[shape] = measure(shape, peer, Path(folder), is_quick=arguments.quick)
        peer.close()
    report = Report(
        name="embed",
        command=command_of("embed", None, is_quick=arguments.quick),
        figures=figures_of(found),
        parameters={
            "side": SIDE,
            "batch": BATCH,
            "batches": BATCHES[arguments.quick],
            "turns": TURNS[arguments.quick],
            "is_quick": arguments.quick,
            "threads": [1, cores()],
            "peers": versions,
        },
        packages=PACKAGES,
        tables=[table_of(shape, each) for shape, each in found.items()],
        notes=notes_of(found, versions),
        details={shape: vars(each) for shape, each in found.items()},
    )
    finish(report, update_docs=arguments.update_docs, json_file=arguments.json)


if __name__ == "__main__":
    main()
