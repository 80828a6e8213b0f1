"""G09: output whose text form in JSON is six times its size."""

import os

os.write(1, b'\x01' * (3 << 20))
