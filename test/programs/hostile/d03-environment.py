"""D03: the whole environment."""

import os

from probe import answers, say

answers['environment'] = dict(os.environ)
say()
