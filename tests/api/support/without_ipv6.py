"""Runs a command on a host without IPv6: without_ipv6.py COMMAND...

For root in a network namespace and a mount namespace of its own. As after booting with ipv6.disable=1,
no socket of the family AF_INET6 can be made, and /proc/net/if_inet6 is missing."""

import ctypes
import os
import subprocess
import sys

NO_NEW_PRIVILEGES, SECCOMP, FILTER = 38, 22, 2
# Classic BPF for x86-64: socket() with AF_INET6 as its first argument fails with EAFNOSUPPORT.
PROGRAM = ((0x20, 0, 0, 0), (0x15, 0, 3, 41), (0x20, 0, 0, 16), (0x15, 0, 1, 10),
           (0x06, 0, 0, 0x00050000 | 97), (0x06, 0, 0, 0x7FFF0000))


class Instruction(ctypes.Structure):
    """struct sock_filter."""
    _fields_ = [("code", ctypes.c_ushort), ("true", ctypes.c_ubyte), ("false", ctypes.c_ubyte),
                ("value", ctypes.c_uint)]


class Program(ctypes.Structure):
    """struct sock_fprog."""
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.POINTER(Instruction))]


def main():
    subprocess.run(["mount", "-t", "tmpfs", "none", "/proc"], check=True)
    libc = ctypes.CDLL(None, use_errno=True)
    program = Program(len(PROGRAM), (Instruction * len(PROGRAM))(*PROGRAM))
    libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    if libc.prctl(SECCOMP, FILTER, ctypes.byref(program)) != 0:
        sys.exit(f"no filter: {os.strerror(ctypes.get_errno())}")
    os.execvp(sys.argv[1], sys.argv[1:])


main()
