"""`python unprivileged.py USER PROGRAM [ARGUMENT...]`: run a program as another user than root.

It keeps the right to pass through folders that only root may enter, such as root's home, and no other right of root's,
so that nothing has to be opened to everybody for it.
"""

from __future__ import annotations

import ctypes
import os
import sys

_DAC_OVERRIDE = 1  # of capabilities(7)
_RIGHTS = 1 << _DAC_OVERRIDE
_SET_KEEPCAPS, _CAP_AMBIENT, _AMBIENT_RAISE = 8, 47, 2  # of prctl(2)
_VERSION_3 = 0x20080522


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Rights(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def main(user: int, command: list[str]) -> None:
    """Become the user, keep the rights where the system lets us, and run the command."""
    system = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
    if system:
        system.prctl(_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
    if system:
        # The kernel takes rights in two halves; ours are all in the first one.
        rights = (_Rights * 2)(_Rights(_RIGHTS, _RIGHTS, _RIGHTS), _Rights(0, 0, 0))
        if system.capset(ctypes.byref(_Header(_VERSION_3, 0)), rights) == 0:
            system.prctl(_CAP_AMBIENT, _AMBIENT_RAISE, _DAC_OVERRIDE, 0, 0)
    try:
        os.execv(command[0], command)  # noqa: S606  the caller's own command
    except OSError as error:
        sys.exit(f"user {user}, as whom it runs since root may not, can't run {command[0]}: {error.strerror}")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
