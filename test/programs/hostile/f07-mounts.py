"""F07: every call that mounts, moves or lists file systems."""

from probe import calls, say

calls(mount=165, umount2=166, pivot_root=155, chroot=161, fsopen=430, fsconfig=431, fsmount=432, fspick=433)
calls(move_mount=429, open_tree=428, open_tree_attr=467, mount_setattr=442, statmount=457, listmount=458)
say()
