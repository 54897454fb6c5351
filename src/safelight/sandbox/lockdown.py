"""Take everything from a child that its work does not need. None of it can be undone.

Order matters. Modules must be loaded before: Python may lie in a folder that only root may enter,
and nothing can be opened afterwards. The memory limit counts from what is mapped by then.
"""

import ctypes
import os
import resource
from pathlib import Path

from safelight.sandbox import seccomp
from safelight.sandbox.limits import Limits

NOBODY = 65534
_CLONE_NEWNET = 0x40000000
_MIB = 1 << 20


def leave_network(libc: ctypes.CDLL) -> bool:
    """Move into an empty network namespace where the system lets us; say whether it did.

    Called before any module starts a thread. The system-call filter refuses sockets in any case.
    """
    return bool(libc.unshare(_CLONE_NEWNET) == 0)


def lock_down(libc: ctypes.CDLL, limits: Limits, *, network_left: bool) -> dict[str, bool | int]:
    """Drop privileges, set the limits, install the filter; return what is in force.

    Raises OSError where the kernel refuses a part that we rely on.
    """
    os.umask(0o077)
    _limit(limits)
    dropped = _drop_privileges()
    seccomp.no_new_privileges(libc)
    seccomp.install(libc)
    return {
        "memory_mb": limits.memory_mb,
        "cpu_seconds": limits.cpu_seconds,
        "open_files": limits.open_files,
        "unprivileged": os.geteuid() != 0,
        "privileges_dropped": dropped,
        "no_new_privileges": True,
        "system_call_filter": True,
        "network_namespace": network_left,
    }


def _limit(limits: Limits) -> None:
    mapped = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    memory = mapped * resource.getpagesize() + limits.memory_mb * _MIB
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits.open_files, limits.open_files))


def _drop_privileges() -> bool:
    if os.geteuid() != 0:
        return False
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    return True


def allow_cpu(seconds: int) -> None:
    """Let this process use `seconds` more of processor time; past that the kernel ends it."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + 1 + seconds
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    if hard != resource.RLIM_INFINITY:
        soft = min(soft, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))
