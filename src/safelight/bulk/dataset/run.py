"""Several shards at once; each part is written by the thread that examines its shard."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from safelight.bulk.about import sha256_of
from safelight.bulk.dataset.shards import Shard
from safelight.bulk.dataset.state import DatasetState, Done
from safelight.bulk.dataset.work import TRY_AGAIN, RowsOf
from safelight.bulk.ordered import Interrupted, Stop
from safelight.bulk.parts import Part
from safelight.bulk.rows import Tally


def examine_shards(
    shards: Iterable[Shard],
    rows_of: RowsOf,
    state: DatasetState,
    *,
    jobs: int,
    stop: Stop,
    show: Callable[[dict[str, Any]], None],
) -> Iterator[Done]:
    """Examine the shards that have no part yet, `jobs` at once; yield each when it is whole.

    `show` is given every row, from the thread that made it. After `stop`, shards under way are left
    off: their rows are thrown away, and made again another time. What a shard raises is raised
    here, after the others under way were left off too.
    """

    def one(shard: Shard) -> Done | None:
        try:
            return _examine(shard, rows_of, state, show)
        except Interrupted:
            return None

    waiting: set[Future[Done | None]] = set()
    with ThreadPoolExecutor(jobs, thread_name_prefix="shard") as pool:
        try:
            for shard in shards:
                if stop:
                    break
                if state.is_done(shard):
                    continue
                waiting.add(pool.submit(one, shard))
                while len(waiting) > jobs:
                    ended, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    yield from _results(ended)
            while waiting:
                ended, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                yield from _results(ended)
        except BaseException:
            stop()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _results(ended: Iterable[Future[Done | None]]) -> Iterator[Done]:
    for future in ended:
        done = future.result()
        if done is not None:
            yield done


def _examine(
    shard: Shard,
    rows_of: RowsOf,
    state: DatasetState,
    show: Callable[[dict[str, Any]], None],
) -> Done:
    tally = Tally()
    path = state.part_path(shard)
    rows = rows_of(shard)
    with Part(path) as part:
        for row in rows:
            part.write(row)
            tally.add(row)
            show(row)
        part.finish()
    done = Done(
        number=shard.number,
        fingerprint=shard.fingerprint,
        part=path.name,
        sha256=sha256_of(path),
        tally=tally,
        sidecars=rows.sidecars,
        matched=rows.matched,
        again=any(tally.not_checked[code] for code in TRY_AGAIN),
    )
    state.add(done)
    return done
