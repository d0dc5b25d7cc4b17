"""rapidocr's own pipeline over pictures, in an environment of its own: it brings a second OpenCV.

Usage: python rapidocr_peer.py TASKS.json OUT.json, where TASKS.json lists `.npy` files of (H, W, 3) uint8
RGB. OUT.json holds for each the text, a line a line, and the seconds of processor time, on one thread.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np


def main() -> None:
    """Reads all pictures one after the other."""
    import cv2
    from rapidocr import RapidOCR

    cv2.setNumThreads(1)
    threads = {f"EngineConfig.onnxruntime.{which}_op_num_threads": 1 for which in ("intra", "inter")}
    engine = RapidOCR(params={**threads, "Global.log_level": "error"})
    read = []
    for file in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
        blue_first = np.ascontiguousarray(np.load(file)[:, :, ::-1])
        start = time.process_time()
        answer = engine(blue_first)
        read.append(("\n".join(answer.txts or ()), time.process_time() - start))
    Path(sys.argv[2]).write_text(json.dumps(read), encoding="utf-8")


if __name__ == "__main__":
    main()
