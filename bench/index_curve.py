"""How the time of a query grows with the number of hashes: measured, and drawn as an SVG.

    python bench/index_curve.py [--most 1000000] [--json FILE] [--svg FILE]

Random hashes, radius 31, batches of 1 and 64, one thread; peers in turns with ours, the best of the
rounds. Without --svg the table is printed and nothing is drawn.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import faiss
from matplotlib.figure import Figure

from index_parts.hashes import queries_for, uniform
from index_parts.peers import FaissFlat, FaissMultiHash, Safelight
from index_parts.timing import compare

SIZES = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000)
BATCHES = (1, 64)
RADIUS, QUERIES, ROUNDS = 31, 256, 5
INDEXES = (Safelight, FaissFlat, FaissMultiHash)
# Colours that can be told apart by everybody (Okabe and Ito), and marks for who sees none.
STYLES = {
    "safelight": ("#0072B2", "o"),
    "faiss flat": ("#D55E00", "s"),
    "faiss MultiHash": ("#009E73", "^"),
}


def main() -> None:
    """Measure, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--svg", type=Path)
    arguments = parser.parse_args()
    faiss.omp_set_num_threads(1)
    points = [point for size in SIZES if size <= arguments.most for point in measure(size)]
    if arguments.json:
        arguments.json.write_text(json.dumps(points, indent=1), encoding="utf-8")
    if arguments.svg:
        draw(points, arguments.svg)


def measure(size: int) -> list[dict[str, Any]]:
    """Microseconds of a query, for every index and batch."""
    hashes = uniform(size, size)
    ours, *peers = (make(hashes) for make in INDEXES)
    queries = queries_for(hashes, QUERIES if size < SIZES[-1] else 64, RADIUS, seed=size + 1)
    points = []
    for batch in BATCHES:
        for name, timed in compare(ours, peers, queries, batch, RADIUS, ROUNDS).items():
            microseconds = 1e6 * timed.best
            print(f"{size:>11,} batch {batch:>3} {name:<16} {microseconds:>10,.1f} us", flush=True)
            points.append({"size": size, "batch": batch, "index": name, "us": microseconds})
    return points


def draw(points: list[dict[str, Any]], path: Path) -> None:
    """One panel for each batch, both axes logarithmic."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    panels = figure.subplots(1, len(BATCHES), sharey=True)
    for panel, batch in zip(panels, BATCHES, strict=True):
        for name, (colour, mark) in STYLES.items():
            mine = [one for one in points if (one["index"], one["batch"]) == (name, batch)]
            panel.loglog(
                [one["size"] for one in mine],
                [one["us"] for one in mine],
                color=colour,
                marker=mark,
                label=name,
            )
        panel.set_title(f"{batch} quer{'y' if batch == 1 else 'ies'} at a time")
        panel.set_xlabel("hashes")
        panel.grid(visible=True, alpha=0.3)
    panels[0].set_ylabel("microseconds a query")
    panels[0].legend()
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
