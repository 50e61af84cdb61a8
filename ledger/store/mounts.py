"""On which kind of file system does a path lie? A memory-mapped store may not lie on a network's.

LMDB's documentation: "Do not use LMDB databases on remote filesystems, even between processes on the same host":
its locks and its shared map are coherent only within one kernel. Linux tells the mounts of a process in
/proc/self/mountinfo (proc_pid_mountinfo(5)); where that file is absent the question stays open, and nothing is
refused.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from ledger.errors import RefusedInput

NETWORK_TYPES: Final = frozenset(
    {
        *(
            "9p",
            "afs",
            "beegfs",
            "ceph",
            "cifs",
            "coda",
            "glusterfs",
            "gpfs",
            "lustre",
            "ncpfs",
            "nfs",
            "nfs4",
        ),
        *("orangefs", "prl_fs", "smb3", "smbfs", "vboxsf", "vmhgfs"),
        *("fuse.ceph", "fuse.davfs2", "fuse.gcsfuse", "fuse.glusterfs", "fuse.goofys", "fuse.juicefs"),
        *("fuse.rclone", "fuse.s3fs", "fuse.sshfs", "fuse.vmhgfs-fuse"),
    }
)

_MOUNTINFO: Final = Path("/proc/self/mountinfo")
_OCTAL: Final = re.compile(r"\\([0-7]{3})")


def _unescape(field: str) -> str:
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), field)


def filesystem_type(path: Path, mountinfo: str | None = None) -> str | None:
    """The type of the file system under `path`, such as "ext4" or "nfs4"; None where it cannot be told.

    `mountinfo` is the text of a mountinfo file, by default this process's own. The mount with the longest mount
    point above `path` holds it; of several on one mount point, the last.
    """
    if mountinfo is None:
        try:
            mountinfo = _MOUNTINFO.read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            return None
    parts = path.resolve().parts
    found: str | None = None
    depth = 0
    for line in mountinfo.splitlines():
        mount, separator, source = line.partition(" - ")
        fields = mount.split(" ")
        if not separator or len(fields) < 5:
            continue
        point = Path(_unescape(fields[4])).parts
        if len(point) >= depth and parts[: len(point)] == point:
            found, depth = source.split(" ")[0], len(point)
    return found


def refuse_network(path: Path, mountinfo: str | None = None) -> None:
    """Raises RefusedInput `network-filesystem` if `path` lies on a file system that is shared over a network."""
    kind = filesystem_type(path, mountinfo)
    if kind in NETWORK_TYPES:
        raise RefusedInput(
            "network-filesystem",
            str(path),
            f"it lies on a network file system ({kind}), where a memory-mapped store loses data",
            "keep the ledger on a local disk; publish it to others with `lineage log publish`",
        )
