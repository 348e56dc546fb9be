"""Work shared out among processes, its results in the order of the items: the same for any number of workers.

joblib starts a task as soon as another is done, whether or not anyone has taken that one's result, so behind a slow
disk the results of a whole corpus would pile up in memory. Here the items go in rounds, the next of which starts when
all results of the last are taken. A round is long enough that workers idle at its end for a small part of it.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from joblib import Parallel, delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError

from minimoe.errors import UserError

ROUND = 16  # items a worker


def in_order(function: Callable, items: Iterable, workers: int) -> Iterator:
    """What `function` returns for every item, in their order, worked out by `workers` processes.

    Raises `UserError` when one of them is killed, as the system does where memory runs out.
    """
    items = iter(items)
    try:
        # items are large: joblib would join those that take less than a fifth of a second, and leave workers idle
        with Parallel(n_jobs=workers, return_as="generator", batch_size=1) as parallel:
            while some := list(islice(items, ROUND * workers)):
                yield from parallel(delayed(function)(item) for item in some)
    except TerminatedWorkerError:
        raise UserError(
            "runtime.workers: a worker process was killed, as happens when memory runs out; run again, "
            f"with fewer than {workers} workers if it happens again"
        ) from None
