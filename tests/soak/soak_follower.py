"""One process that follows the lists, for the soak: answers what is asked on standard input.

    python soak_follower.py HOME

Each line is {"ask": [[algorithm, hash, radius], ...]} and is answered by {"found": [[list, ...],
...], "rss": bytes}. Two threads search all the time. It begins with what is kept on disk and keeps
it up every few seconds. It is killed without warning, and must not mind.
"""

import json
import sys
import threading
from pathlib import Path
from random import Random

import psutil

from safelight.matching import begin as beginning
from safelight.matching import live as following
from safelight.matching.live import LiveMatcher
from safelight.matching.rules import MatchPolicy
from safelight.matching.step import Matcher
from safelight.model import Algorithm
from safelight.settings import load_settings
from safelight.store.database import open_store

beginning.LEAST_KEPT = 1_000
following.KEPT_EVERY = 5.0


def found(matcher: Matcher, algorithm: str, value: str, radius: int) -> list[str]:
    """The names of the lists that a hash is matched on."""
    policy = MatchPolicy(radius=radius)
    hits = matcher.hash_hits(Algorithm(algorithm), bytes.fromhex(value), policy)
    return sorted({hit.match.list_name for hit in hits})


def search(matcher: Matcher, stop: threading.Event) -> None:
    chance = Random()
    while not stop.wait(0.005):
        found(matcher, "pdq", chance.randbytes(32).hex(), 31)
        found(matcher, "md5", chance.randbytes(16).hex(), 0)


def tell(text: str) -> None:
    """Nothing that is kept may ever be unusable, whoever was killed when; the test looks here."""
    with (Path(sys.argv[1]) / "told").open("a") as file:
        file.write(f"{text}\n")


def main() -> None:
    store = open_store(load_settings({"SAFELIGHT_HOME": sys.argv[1]}))
    memory, stop = psutil.Process().memory_info, threading.Event()
    with LiveMatcher(store, home=Path(sys.argv[1]), tell=tell) as live:
        searching = [threading.Thread(target=search, args=(live.matcher, stop)) for _ in range(2)]
        for thread in searching:
            thread.start()
        print("ready", flush=True)
        for line in sys.stdin:
            asked = json.loads(line)["ask"]
            answers = [found(live.matcher, *question) for question in asked]
            print(json.dumps({"found": answers, "rss": memory().rss}), flush=True)
        stop.set()
        for thread in searching:
            thread.join()
    store.close()
    assert Path(sys.argv[1]).exists()


if __name__ == "__main__":
    main()
