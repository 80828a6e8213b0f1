"""A17: the marks by which overlays hide files and directories."""

import os

from probe import attempt, say

attempt('whiteout', lambda: os.mknod('whiteout', 0o020000, 0))
attempt('opaque', lambda: os.setxattr('.', 'trusted.overlay.opaque', b'y'))
attempt('user', lambda: os.setxattr('.', 'user.overlay.opaque', b'y'))
say()
