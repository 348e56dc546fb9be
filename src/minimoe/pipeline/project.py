"""The DVC project that the pipeline runs in."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from minimoe.system.errors import UserError


@contextmanager
def project(root: str | Path = ".", *, wait: bool = False) -> Iterator:
    """DVC's `Repo` of the folder `root`, closed at the end.

    Args:
        wait: whether what locks it waits for another command of DVC.

    Raises:
        UserError: DVC cannot work in this folder, or says so of what is asked of it.
        dvc.lock.LockError: another command of DVC is running.
    """
    from dvc.exceptions import DvcException, NotDvcRepoError
    from dvc.lock import LockError
    from dvc.repo import Repo
    from dvc.scm import SCMError

    folder = Path(root).absolute()
    try:
        with Repo(str(root), _wait_for_lock=wait) as repo:
            yield repo
    except LockError:
        raise
    except NotDvcRepoError:
        raise UserError(f"{folder}: no DVC project here; `minimoe init` sets a folder up") from None
    except SCMError as error:  # as where GitHub's archive of a repository was unpacked
        remedy = "`git init` makes it one; without git: `dvc config --local core.no_scm true`"
        raise UserError(f"{error}; {remedy}") from None
    except DvcException as error:
        raise UserError(f"{folder}: dvc cannot read the pipeline: {' '.join(str(error).split())}") from None
