"""A vision transformer in PyTorch and in ONNX Runtime, in an environment of its own: PyTorch is large.

Usage: python embed_peer.py, which reads one JSON object a line, does it, and answers one a line:

    {"do": "make", "patch": 32, "file": "vit.onnx"}: the network, its weights drawn by a seed, exported
    {"do": "embed", "engine": "torch", "inputs": "in.npy", "out": "out.npy"}: what it makes of pictures
    {"do": "run", "engine": "torch", "threads": 1, "batch": 8, "batches": 2}: {"wall": s, "processor": s}

Only the standard library, NumPy, torch and onnxruntime are imported here.
"""

import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

SIDE, WIDTH, DEPTH, HEADS, DIM = 224, 768, 12, 12, 512
SEED = 0


class Block(nn.Module):
    """Attention, then two layers, each beside what came in."""

    def __init__(self) -> None:
        super().__init__()
        self.before_attention, self.before_layers = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.inputs, self.outputs = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.wide, self.narrow = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """(B, N, WIDTH) to the same."""
        parts = self.inputs(self.before_attention(tokens)).chunk(3, dim=-1)
        queries, keys, values = (each.unflatten(-1, (HEADS, -1)).transpose(1, 2) for each in parts)
        seen = functional.scaled_dot_product_attention(queries, keys, values)
        tokens = tokens + self.outputs(seen.transpose(1, 2).flatten(2))
        return tokens + self.narrow(functional.gelu(self.wide(self.before_layers(tokens))))


class VisionTransformer(nn.Module):
    """ViT-B as CLIP has it: (B, 3, SIDE, SIDE) to (B, DIM) of its class token."""

    def __init__(self, patch: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, WIDTH, patch, patch)
        self.first = nn.Parameter(torch.randn(1, 1, WIDTH) * 0.02)
        self.places = nn.Parameter(torch.randn(1, (SIDE // patch) ** 2 + 1, WIDTH) * 0.02)
        self.blocks = nn.Sequential(*(Block() for _ in range(DEPTH)))
        self.normed, self.made = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, DIM, bias=False)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Embeddings, not of unit length."""
        tokens = self.patches(pictures).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.first.expand(tokens.shape[0], -1, -1), tokens], 1) + self.places
        return self.made(self.normed(self.blocks(tokens)[:, 0]))


class Peer:
    """The network of one shape, in the engines that were asked for so far."""

    def __init__(self) -> None:
        self.runs: dict[tuple[str, int], Callable[[np.ndarray], np.ndarray]] = {}

    def make(self, patch: int, file: str) -> dict[str, Any]:
        """Draws the weights; exports the network unless the file is there."""
        torch.manual_seed(SEED)
        self.runs.clear()
        self.network, self.file = VisionTransformer(patch).eval(), Path(file)
        if not self.file.exists():
            with_part = self.file.with_suffix(".part")
            names = {"input_names": ["pictures"], "output_names": ["embeddings"]}
            free = {"dynamic_axes": {"pictures": {0: "batch"}, "embeddings": {0: "batch"}}}
            given = (torch.zeros(2, 3, SIDE, SIDE),)
            torch.onnx.export(self.network, given, str(with_part), dynamo=False, **names, **free)
            with_part.rename(self.file)
        return {"torch": torch.__version__}

    def embed(self, engine: str, inputs: str, out: str) -> dict[str, Any]:
        """Writes what an engine makes of pictures."""
        np.save(out, self.running(engine, 1)(np.load(inputs)))
        return {}

    def run(self, engine: str, threads: int, batch: int, batches: int) -> dict[str, Any]:
        """Seconds that an engine takes for batches of noise, after one that is not counted."""
        work = self.running(engine, threads)
        given = np.random.default_rng(SEED).standard_normal((batch, 3, SIDE, SIDE), np.float32)
        torch.set_num_threads(threads)
        work(given)
        wall, processor = time.perf_counter(), time.process_time()
        for _ in range(batches):
            work(given)
        return {"wall": time.perf_counter() - wall, "processor": time.process_time() - processor}

    def running(self, engine: str, threads: int) -> Callable[[np.ndarray], np.ndarray]:
        """One engine with so many threads, made at the first call."""
        if (engine, threads) not in self.runs:
            self.runs[engine, threads] = (
                self._onnxruntime(threads) if engine == "onnxruntime" else self._torch(engine)
            )
        return self.runs[engine, threads]

    def _torch(self, engine: str) -> Callable[[np.ndarray], np.ndarray]:
        is_short = engine == "torch_bf16"

        def run(given: np.ndarray) -> np.ndarray:
            short = torch.autocast("cpu", torch.bfloat16, enabled=is_short)
            with torch.inference_mode(), short:
                return self.network(torch.from_numpy(given)).float().numpy()

        return run

    def _onnxruntime(self, threads: int) -> Callable[[np.ndarray], np.ndarray]:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(self.file, options, providers=["CPUExecutionProvider"])
        return lambda given: session.run(None, {"pictures": given})[0]


def main() -> None:
    """Does what is asked until nothing more is; what libraries print goes to stderr."""
    warnings.simplefilter("ignore")
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    peer = Peer()
    for line in sys.stdin:
        asked = json.loads(line)
        answers.write(json.dumps(getattr(peer, asked.pop("do"))(**asked)) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
