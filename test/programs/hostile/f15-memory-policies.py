"""F15: where pages lie, who watches files, memory that nobody else can see."""

from probe import calls, say

calls(fanotify_init=300, move_pages=279, migrate_pages=256, mbind=237, set_mempolicy_home_node=450, memfd_secret=447)
say()
