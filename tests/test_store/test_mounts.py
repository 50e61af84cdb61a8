"""Which file system holds a path is told from a mountinfo text made for the test."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ledger.errors import RefusedInput
from ledger.store.mounts import filesystem_type, refuse_network
from tests.store_suite import code_of

MOUNTS = r"""22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw
30 22 0:30 / /srv rw,relatime shared:9 master:2 - nfs4 server:/export rw,vers=4.2
31 30 0:31 / /srv/fast rw - xfs /dev/nvme0n1 rw
32 22 0:32 / /mnt/two\040words rw - fuse.sshfs user@host:/ rw
33 22 0:33 / /over rw - ext4 /dev/sdb rw
34 22 0:34 / /over rw - cifs //host/share rw
35 22 0:35 / /drive rw - 9p C:\134 rw
a line that is no mount
36 22 0:36 /short"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"),
        ("/home/a/ledger", "ext4"),
        ("/srv", "nfs4"),
        ("/srv/ledger", "nfs4"),
        ("/srv/fast/ledger", "xfs"),
        ("/srv/faster", "nfs4"),
        ("/srvother", "ext4"),
        ("/mnt/two words/ledger", "fuse.sshfs"),
        ("/over/ledger", "cifs"),
        ("/drive", "9p"),
    ],
)
def test_nearest_mount_decides(path: str, kind: str) -> None:
    assert filesystem_type(Path(path), MOUNTS) == kind


@pytest.mark.parametrize("path", ["/srv/ledger", "/mnt/two words", "/over", "/drive/x"])
def test_network_is_refused_with_advice(path: str) -> None:
    with pytest.raises(RefusedInput) as error:
        refuse_network(Path(path), MOUNTS)
    assert code_of(error) == "network-filesystem"
    assert "publish" in error.value.fix


@pytest.mark.parametrize("path", ["/home", "/srv/fast"])
def test_local_disk_is_not_refused(path: str) -> None:
    refuse_network(Path(path), MOUNTS)


def test_unknown_is_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert filesystem_type(Path("/x"), "") is None
    refuse_network(Path("/x"), "")
    monkeypatch.setattr("ledger.store.mounts._MOUNTINFO", Path("/proc/absent/mountinfo"))
    assert filesystem_type(Path("/")) is None


@pytest.mark.skipif(sys.platform != "linux", reason="/proc/self/mountinfo is Linux's; run on Linux")
def test_this_machine_tells_its_root() -> None:
    assert filesystem_type(Path("/"))
